import { explain } from '../control/setup.ts'
import type { Gateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer } from '../harness/http.ts'
import type { Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { pool } from './artifacts.ts'

/**
 * The three models as groups of their own (`small`, `medium`, `large`); the same again as one group `mixed`. The
 * upstream's names of the models differ from those of the data, so that matching by `model_name` is what works.
 */
export function modelList(upstream: Upstream, serial: string | number = '', params: Json = {}): Json[] {
  return [
    ...pool.map(model => entry(model.id, upstream, model, `${model.id}${serial}`, params)),
    ...pool.map(model => entry('mixed', upstream, model, `mixed-${model.id}${serial}`, params)),
  ]
}

export function entry(
  group: string,
  upstream: Upstream,
  { id, input, output }: (typeof pool)[number],
  deploymentId: string,
  params: Json = {},
): Json {
  return {
    model_name: group,
    litellm_params: {
      model: group === 'mixed' ? `openai/${id}` : `openai/up-${id}`,
      api_base: `${upstream.url}/v1`,
      api_key: 'sk-upstream-secret',
      input_cost_per_token: input,
      output_cost_per_token: output,
      ...params,
    },
    model_info: { id: deploymentId },
  }
}

/** Which of the three models answered, by the deployment's id. */
export function modelOf(answer: StreamAnswer): string {
  const id = String(answer.headers['x-litellm-model-id'])
  return pool.map(model => model.id).find(name => id.includes(name)) ?? id
}

export interface Decided extends Json {
  readonly strategy: string
  readonly reason: string
  readonly because: string
  readonly chosen: string
  readonly lambda: number
  readonly explored: boolean
  readonly propensity: number
  readonly artifact: string
  readonly microseconds: number
  readonly candidates: {
    model: string
    deployment: string
    quality: number
    cost: number
    utility: number
    removedBy?: string
  }[]
}

/** The decision of a call, as the explain endpoint tells it. */
export async function decisionOf(gateway: Gateway, answer: StreamAnswer): Promise<Decided> {
  const { plans } = await explain(gateway, answer)
  const decision = (plans[0] as unknown as { decision?: Decided }).decision
  if (decision === undefined) throw new Error(`no decision: ${JSON.stringify(plans)}`)
  return decision
}

/** The model that answers a prompt asked of a name. */
export async function ask(
  gateway: Gateway,
  model: string,
  text: string,
  body: Json = {},
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await chat(gateway, model, text, body, { headers })
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
  return modelOf(answer)
}
