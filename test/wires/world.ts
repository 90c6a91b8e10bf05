import { expect } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json, RecordedRequest } from '../upstream/types.ts'

/** One gateway over one upstream, with a deployment per wire; retries are off, so each test sees its own call. */
export interface World {
  readonly upstream: Upstream
  readonly gateway: Gateway
  /** All requests of a test so far; fails it when the upstream refused one. */
  accepted(): readonly RecordedRequest[]
  /** The body of the latest request, which must have been accepted. */
  body(): Json
  close(): Promise<void>
}

export async function startWorld(): Promise<World> {
  const upstream = await startUpstream()
  const openai = { api_base: `${upstream.url}/v1`, api_key: 'sk-upstream' }
  const azure = { api_base: upstream.url, api_key: 'sk-upstream', api_version: '2024-10-21' }
  const other = { api_base: upstream.url, api_key: 'sk-upstream' }
  const models: Record<string, Json> = {
    openai: { model: 'openai/gpt-4o', ...openai },
    reasoner: { model: 'openai/gpt-5', ...openai },
    instruct: { model: 'openai/gpt-3.5-turbo-instruct', ...openai },
    // OpenAI's own host: nothing of this may ever be sent.
    'openai-host': { model: 'openai/gpt-4o', api_key: 'sk-upstream' },
    azure: { model: 'azure/gpt-4o', ...azure },
    'azure-drops': { model: 'azure/gpt-4o', ...azure, drop_params: true },
    claude: { model: 'anthropic/claude-sonnet-4-5', ...other },
    'claude-drops': { model: 'anthropic/claude-sonnet-4-5', ...other, drop_params: true },
    gemini: { model: 'gemini/gemini-3.1-pro-preview', ...other },
  }
  const gateway = await startGateway({
    config: {
      model_list: Object.entries(models).map(([name, params]) => ({ model_name: name, litellm_params: params })),
      router_settings: { num_retries: 0, disable_cooldowns: true },
    },
  })
  const accepted = (): readonly RecordedRequest[] => {
    expect(upstream.requests.map(request => request.rejected).filter(reason => reason !== undefined)).toEqual([])
    return upstream.requests
  }
  return {
    upstream,
    gateway,
    accepted,
    body() {
      const body = accepted().at(-1)?.body
      if (body === undefined) throw new Error('nothing was sent')
      return body
    },
    async close() {
      await gateway.stop()
      await upstream.close()
    },
  }
}

/** The value at a path of nested objects and lists: `at(body, 'messages', 0, 'content')`. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here: unknown = value
  for (const step of path) here = (here as Record<string | number, unknown> | null | undefined)?.[step]
  return here
}
