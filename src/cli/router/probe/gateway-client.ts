import { setTimeout as sleep } from 'node:timers/promises'
import { isObject, type JsonObject } from '../../../learning/dataset/fields.ts'
import type { Answer } from '../../../learning/labels/answer.ts'

export interface Completion extends Answer {
  /** US dollars; NaN where the gateway does not say. */
  readonly cost: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** Milliseconds. */
  readonly latency: number
}

export interface GatewayClientOptions {
  /** Of the gateway, without `/v1`. */
  readonly url: string
  readonly key: string
  /** Milliseconds. */
  readonly timeout: number
  /** Of one call; overload and network errors are tried again. */
  readonly attempts: number
}

/** A call that will not be answered. The message names model, status and the gateway's reason. */
export class CallFailed extends Error {
  /** Whether every further call would fail likewise (a wrong key, an unknown model). */
  readonly hopeless: boolean

  constructor(message: string, hopeless: boolean) {
    super(message)
    this.name = 'CallFailed'
    this.hopeless = hopeless
  }
}

const longestWait = 20_000

/** Chat completions over the gateway's own HTTP API: the same road, limits and books as any caller's. */
export class GatewayClient {
  readonly #options: GatewayClientOptions

  constructor(options: GatewayClientOptions) {
    this.#options = options
  }

  /** @throws CallFailed */
  async complete(body: JsonObject & { readonly model: string }): Promise<Completion> {
    const { attempts } = this.#options
    for (let attempt = 1; ; attempt++) {
      const result = await this.#once(body)
      if ('text' in result) return result
      if (!result.again || attempt >= attempts) throw new CallFailed(`${body.model}: ${result.reason}`, result.hopeless)
      await sleep(Math.min(longestWait, result.wait ?? 500 * 2 ** attempt))
    }
  }

  async #once(body: JsonObject): Promise<Completion | Failure> {
    const { url, key, timeout } = this.#options
    const start = performance.now()
    try {
      const response = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeout),
      })
      const text = await response.text()
      if (!response.ok) return refusal(response, text)
      const cost = response.headers.get('x-litellm-response-cost')
      return { ...answerOf(text), latency: performance.now() - start, cost: cost === null ? Number.NaN : Number(cost) }
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
      const reason = error instanceof Error ? `${error.message}${cause}` : 'failed'
      return { reason, again: true, hopeless: false, wait: undefined }
    }
  }
}

interface Failure {
  readonly reason: string
  readonly again: boolean
  readonly hopeless: boolean
  /** Milliseconds. */
  readonly wait: number | undefined
}

function refusal(response: Response, text: string): Failure {
  const after = Number(response.headers.get('retry-after') ?? Number.NaN)
  const { status } = response
  return {
    reason: `${status} ${messageOf(text)}`,
    again: status === 408 || status === 429 || status >= 500,
    hopeless: status === 401 || status === 403 || status === 404,
    wait: Number.isFinite(after) ? 1000 * after : undefined,
  }
}

function messageOf(text: string): string {
  try {
    const body: unknown = JSON.parse(text)
    const error = isObject(body) ? body['error'] : undefined
    if (isObject(error) && typeof error['message'] === 'string') return error['message'].slice(0, 300)
  } catch {
    // Not an error of ours: its text has to do.
  }
  return text.slice(0, 200)
}

function answerOf(text: string): Omit<Completion, 'latency' | 'cost'> {
  const body: unknown = JSON.parse(text)
  const choice = isObject(body) && Array.isArray(body['choices']) ? body['choices'][0] : undefined
  if (!isObject(body) || !isObject(choice) || !isObject(choice['message']))
    throw new Error('the answer is no chat completion')
  const { message } = choice
  const usage = isObject(body['usage']) ? body['usage'] : {}
  const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isObject) : []
  return {
    text: typeof message['content'] === 'string' ? message['content'] : '',
    toolCalls: calls.flatMap(({ function: called }) =>
      isObject(called) ? [{ name: String(called['name'] ?? ''), arguments: String(called['arguments'] ?? '') }] : [],
    ),
    finishReason: typeof choice['finish_reason'] === 'string' ? choice['finish_reason'] : undefined,
    inputTokens: number(usage['prompt_tokens']),
    outputTokens: number(usage['completion_tokens']),
  }
}

const number = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN)
