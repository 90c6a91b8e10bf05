import type { WireName } from '../upstream/types.ts'

export type Caller = 'openai' | 'anthropic'

/** How a stream ended, as its caller's SDK would see it. */
export type StreamEnd =
  /** The dialect's own end: `[DONE]` or `message_stop`, after a finish reason. */
  | 'complete'
  /** Everything but the end marker, which the upstream left out too. */
  | 'unmarked'
  /** An error event in the caller's dialect, then the end of the body as HTTP wants it. */
  | 'error'

/** One upstream of a scenario. */
export interface Side {
  /** Fault of the test upstream (`status=500,delay=50`); '' is a healthy one. */
  readonly fault?: string
  readonly wire?: WireName
  /** Further `litellm_params`. */
  readonly params?: Readonly<Record<string, unknown>>
  /** Name of a canned answer of the raw upstream, in place of the test upstream. */
  readonly raw?: string
}

export interface Expected {
  readonly status: number
  /** `error.code` (OpenAI) or `error.type` (Anthropic); of the body, or of the error event. */
  readonly error?: string
  readonly message?: RegExp
  /** Calls to deployments, as `x-routeiq-attempts` tells; every one must have reached its upstream… */
  readonly attempts: number
  /** …unless this says how many did. */
  readonly reached?: number
  /** Which of `sides` (by index) or whether the fallback answered; checked against `x-routeiq-model`. */
  readonly by?: number | 'fallback'
  readonly end?: StreamEnd
  /** The whole text of the answer, or of what came before the error. Default for a 200: the echo of the prompt. */
  readonly text?: string | RegExp
  readonly headers?: Readonly<Record<string, string | RegExp>>
}

export interface Scenario {
  readonly name: string
  readonly caller?: Caller
  readonly stream?: boolean
  /** Deployments of the group, in the order they are tried. */
  readonly sides: readonly Side[]
  readonly fallback?: Side
  /** The config list that names the fallback. Default `fallbacks`. */
  readonly fallbackList?: 'fallbacks' | 'context_window_fallbacks' | 'content_policy_fallbacks'
  /** Fields laid over the request; `$fallback` in a text stands for the fallback's group. */
  readonly body?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  readonly expect: Expected
}

export const wires: readonly WireName[] = ['openai', 'azure-openai', 'anthropic', 'gemini']

/** The model name of a wire whose rules the test upstream knows. */
export const modelOf: Readonly<Record<WireName, string>> = {
  openai: 'gpt-4o',
  'azure-openai': 'gpt-4o',
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-flash',
}

export const vendorOf: Readonly<Record<WireName, string>> = {
  openai: 'openai',
  'azure-openai': 'azure',
  anthropic: 'anthropic',
  gemini: 'gemini',
}

export const prompt = 'grüße aus dem Wald 🌲 und zurück'
export const echo = `echo: ${prompt}`
