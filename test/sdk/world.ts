import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json, RecordedRequest, WireName } from '../upstream/types.ts'

/** One upstream wire behind the gateway, and what a caller may expect of it whatever SDK it uses. */
export interface WireUnderTest {
  readonly wire: WireName
  /** Model groups this gateway serves on the wire. */
  readonly chat: string
  readonly reasoner: string
  /** The vendor's own name of the chat model, as it must arrive upstream. */
  readonly vendorModel: string
  /** The header that carries the vendor's key, and its value. */
  readonly credential: readonly [header: string, value: string]
  /** List prices of the chat model, in dollars per million tokens. */
  readonly price: { readonly input: number; readonly cached: number; readonly output: number }
}

const wire = (name: WireName, rest: Omit<WireUnderTest, 'wire' | 'chat' | 'reasoner'>): WireUnderTest => ({
  wire: name,
  chat: `${name}-chat`,
  reasoner: `${name}-reasoner`,
  ...rest,
})

export const wires: readonly WireUnderTest[] = [
  wire('openai', {
    vendorModel: 'gpt-4o',
    credential: ['authorization', 'Bearer key-openai'],
    price: { input: 2.5, cached: 1.25, output: 10 },
  }),
  wire('azure-openai', {
    vendorModel: 'gpt-4o',
    credential: ['api-key', 'key-azure'],
    price: { input: 2.5, cached: 1.25, output: 10 },
  }),
  wire('anthropic', {
    vendorModel: 'claude-sonnet-4-5',
    credential: ['x-api-key', 'key-anthropic'],
    price: { input: 3, cached: 0.3, output: 15 },
  }),
  wire('gemini', {
    vendorModel: 'gemini-2.5-flash',
    credential: ['x-goog-api-key', 'key-gemini'],
    price: { input: 0.3, cached: 0.03, output: 2.5 },
  }),
]

/** Dollars for a call at a wire's list price, as the response header states them. */
export function dollars({ price }: WireUnderTest, input: number, output: number, cached = 0): number {
  return Number((((input - cached) * price.input + cached * price.cached + output * price.output) / 1e6).toFixed(9))
}

export interface World {
  readonly upstream: Upstream
  readonly gateway: Gateway
  readonly openai: OpenAI
  readonly anthropic: Anthropic
  /** The latest request on a wire; fails the test when there is none or the upstream refused it. */
  sent(wire: WireName): RecordedRequest
  /** Requests the upstream saw since the last `reset()`, oldest first. */
  all(): readonly RecordedRequest[]
  close(): Promise<void>
}

/** One gateway over one upstream, with every wire; retries are off everywhere, so each test sees its own call. */
export async function startWorld(): Promise<World> {
  const upstream = await startUpstream()
  const deployment = (name: string, params: Json, info: Json = {}): Json => ({
    model_name: name,
    litellm_params: params,
    model_info: { id: `id-of-${name}`, ...info },
  })
  const at: Readonly<Record<WireName | 'ownServer', Json>> = {
    openai: { api_base: `${upstream.url}/v1`, api_key: 'key-openai' },
    'azure-openai': { api_base: upstream.url, api_key: 'key-azure', api_version: '2024-10-21' },
    anthropic: { api_base: upstream.url, api_key: 'key-anthropic' },
    gemini: { api_base: upstream.url, api_key: 'key-gemini' },
    ownServer: { api_base: `${upstream.url}/v1`, api_key: 'key-own-server' },
  }
  const config: Json = {
    model_list: [
      deployment('openai-chat', { model: 'openai/gpt-4o', ...at.openai }),
      deployment('openai-reasoner', { model: 'openai/gpt-5', ...at.openai }),
      deployment('openai-embedding', { model: 'openai/text-embedding-3-small', ...at.openai }),
      deployment('openai-missing', { model: 'openai/missing-model', ...at.openai }),
      deployment('openai-like-reasoner', { model: 'openai/qwen3-32b', ...at.ownServer }, { supports_reasoning: true }),
      deployment('azure-openai-chat', { model: 'azure/gpt-4o', ...at['azure-openai'] }),
      deployment('azure-openai-reasoner', { model: 'azure/gpt-5', ...at['azure-openai'] }),
      deployment('azure-openai-embedding', { model: 'azure/text-embedding-3-small', ...at['azure-openai'] }),
      deployment('azure-openai-missing', { model: 'azure/missing-model', ...at['azure-openai'] }),
      deployment('anthropic-chat', { model: 'anthropic/claude-sonnet-4-5', ...at.anthropic }),
      deployment('anthropic-reasoner', { model: 'anthropic/claude-sonnet-4-5', ...at.anthropic }),
      deployment('anthropic-missing', { model: 'anthropic/missing-model', ...at.anthropic }),
      deployment('gemini-chat', { model: 'gemini/gemini-2.5-flash', ...at.gemini }),
      deployment('gemini-reasoner', { model: 'gemini/gemini-2.5-flash', ...at.gemini }),
      deployment('gemini-3', { model: 'gemini/gemini-3.1-pro-preview', ...at.gemini }),
      deployment('gemini-embedding', { model: 'gemini/gemini-embedding-001', ...at.gemini }),
      deployment('gemini-missing', { model: 'gemini/missing-model', ...at.gemini }),
    ],
    router_settings: { num_retries: 0, disable_cooldowns: true },
  }
  const gateway = await startGateway({ config })
  const { requests } = upstream
  return {
    upstream,
    gateway,
    openai: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gateway.key, maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: gateway.url, apiKey: gateway.key, maxRetries: 0 }),
    sent(name) {
      const request = requests.findLast(entry => entry.wire === name)
      if (request === undefined) throw new Error(`nothing was sent to the ${name} wire`)
      if (request.rejected !== undefined) throw new Error(`the ${name} wire refused: ${request.rejected}`)
      return request
    },
    all: () => requests,
    async close() {
      await gateway.stop()
      await upstream.close()
    },
  }
}

/** A one-pixel PNG. */
export const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

export const weatherSchema = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
} as const

/** The value at a path of nested objects and lists: `at(body, 'messages', 0, 'content')`. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here: unknown = value
  for (const step of path) here = (here as Record<string | number, unknown> | null | undefined)?.[step]
  return here
}
