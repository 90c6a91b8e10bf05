import { expect } from 'vitest'
import type { Gateway } from '../harness/gateway.ts'
import { type StreamAnswer, send } from '../harness/http.ts'
import type { Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'

/** A `model_list` entry for an OpenAI-speaking test upstream; its id is the upstream's model name unless given. */
export function deployment(
  group: string,
  upstream: Pick<Upstream, 'url'>,
  model: string,
  params: Json = {},
  info: Json = {},
): Json {
  const id = model.split('@')[0]
  return {
    model_name: group,
    litellm_params: {
      model: `openai/${model}`,
      api_base: `${upstream.url}/v1`,
      api_key: 'sk-upstream-secret',
      ...params,
    },
    model_info: { id, ...info },
  }
}

/** `POST /config/reload`. */
export function reload(gateway: Gateway): Promise<StreamAnswer> {
  return send(`${gateway.url}/config/reload`, { method: 'POST', headers: bearer(gateway), body: {} })
}

/** Puts a config into force; cooldowns and statistics are kept by deployment id, so tests use ids of their own. */
export async function configure(gateway: Gateway, config: Json): Promise<Json> {
  gateway.writeConfig(config)
  const answer = await reload(gateway)
  expect(answer.status, answer.text).toBe(200)
  return answer.json!
}

export async function get(gateway: Gateway, path: string, headers: Record<string, string> = {}): Promise<StreamAnswer> {
  return send(`${gateway.url}${path}`, { headers: { ...bearer(gateway), ...headers } })
}

export async function readiness(gateway: Gateway): Promise<{ version: number; hash: string; body: Json }> {
  const body = (await get(gateway, '/health/readiness')).json!
  const { version, hash } = body['config'] as { version: number; hash: string }
  return { version, hash, body }
}

export async function explain(gateway: Gateway, answer: StreamAnswer): Promise<Explained> {
  const found = await get(gateway, `/v1/routeiq/explain/${answer.headers['x-litellm-call-id']}`)
  expect(found.status, found.text).toBe(200)
  return found.json as unknown as Explained
}

export interface Explained extends Json {
  readonly plans: { model_group: string; strategy: string; reason: string; candidates: Json[] }[]
  readonly hops: { model_group: string; deployment_id: string; outcome: string; status: number; waited_ms: number }[]
}

export const bearer = (gateway: Pick<Gateway, 'key'>): Record<string, string> => ({
  authorization: `Bearer ${gateway.key}`,
})

/** Deployment that answered. */
export const answeredBy = (answer: StreamAnswer): string => String(answer.headers['x-litellm-model-id'])

/** Upstream models in order of arrival. */
export const called = (upstream: Upstream): string[] => upstream.requests.map(request => request.model)

export function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** Polls until `probe` gives something; the machine may be slow, so time only bounds. */
export async function eventually<T>(probe: () => T | undefined | Promise<T | undefined>, timeout = 10_000): Promise<T> {
  const deadline = performance.now() + timeout
  for (;;) {
    const value = await probe()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`nothing within ${timeout} ms: ${probe.toString()}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** One value of a Prometheus text; labels must all be among those of the line. 0 when there is no such line. */
export function metric(text: string, name: string, labels: Record<string, string> = {}): number {
  let sum = 0
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) continue
    if (!Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`))) continue
    sum += Number(line.slice(line.lastIndexOf(' ') + 1))
  }
  return sum
}
