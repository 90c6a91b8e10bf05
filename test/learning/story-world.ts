import { newKey } from '../governance/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { type Service, services, startPostgres, startRedis } from '../harness/services.ts'
import { countWords } from '../upstream/plan.ts'
import type { Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import type { StoryData, StoryModel, StoryPrompt } from './story-data.ts'

/** The group that holds all four models: what users ask for. */
export const group = 'assistant'

export function storyConfig({ models }: StoryData, upstream: Upstream, routing: Json = {}): Json {
  return {
    model_list: models.map(({ id, input, output }) => ({
      model_name: group,
      litellm_params: {
        model: `openai/${id}`,
        api_base: `${upstream.url}/v1`,
        api_key: 'sk-upstream-secret',
        input_cost_per_token: input,
        output_cost_per_token: output,
      },
      model_info: { id },
    })),
    router_settings: {
      routing_strategy: 'routeiq-auto',
      routing_strategy_args: { preset: 'balanced', cold_start: 'shuffle' },
    },
    routeiq: {
      routing,
      router_loop: {
        feedback: { per_minute: 1_000_000, per_day: 1_000_000 },
        // Days pressed into seconds. Times of a busy machine are not what is judged.
        rollout: { shares: [0, 0.3, 1], min_calls: 30, min_seconds: 0, check_seconds: 0.3, max_slow_increase: 1 },
        drift: { check_seconds: 0.5 },
      },
    },
  }
}

/** Words that every answer of a model has at least: some talk more than others. */
const talk = [30, 40, 60, 35]

/** Puts the vendors' manners into force; what is programmed later comes first. */
export function startTalking(upstream: Upstream, { models }: StoryData): void {
  for (const [at, { id }] of models.entries()) upstream.fault(id, `chunks=${talk[at] ?? 30}`)
}

/** What the test's vendor counts and so charges: words, of the prompt and of its echo (one more) with what is added. */
export function chargeOf({ text }: StoryPrompt, { input, output }: StoryModel, at: number): number {
  const words = countWords(text)
  return words * input + Math.max(words + 1, talk[at] ?? 30) * output
}

export interface Replicas {
  readonly gateways: readonly Gateway[]
  /** Where state is kept, and the key: what a changed configuration must not change. */
  readonly general: Json
  stop(): Promise<void>
}

const masterKey = 'sk-story-same-on-all-replicas'

/** Two gateways over PostgreSQL and Redis; where these cannot be had (never in CI), one over its own file. */
export async function startReplicas(config: Json): Promise<Replicas> {
  const general = { master_key: masterKey }
  if (!services.postgres || !services.redis) {
    const alone = await startGateway({ config: { ...config, general_settings: general } })
    return { gateways: [alone], general, stop: () => alone.stop() }
  }
  const [postgres, redis]: Service[] = await Promise.all([startPostgres(), startRedis()])
  const shared = { ...general, database_url: postgres!.url }
  const gateways: Gateway[] = []
  const stop = async (): Promise<void> => {
    const ends = await Promise.allSettled(gateways.map(gateway => gateway.stop()))
    await Promise.all([postgres!.stop(), redis!.stop()])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }
  try {
    // One after the other: the first one makes the tables.
    for (let replica = 0; replica < 2; replica++) {
      gateways.push(
        await startGateway({ config: { ...config, general_settings: shared }, env: { REDIS_URL: redis!.url } }),
      )
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { gateways, general: shared, stop }
}

export interface Answered {
  readonly model: string
  /** What the user thinks of the answer, 0..1. */
  readonly quality: number
  /** US dollars, as charged. */
  readonly cost: number
  readonly answer: StreamAnswer
}

/** Everybody who calls: each call a session of its own, at the replicas in turn, and every answer is judged. */
export class Users {
  calls = 0
  readonly failures: string[] = []
  /** Models whose answers are worthless now, whatever the table says. */
  readonly spoilt = new Set<string>()
  readonly #data: StoryData
  readonly #gateways: readonly Gateway[]
  readonly #keys: string[] = []

  constructor(data: StoryData, gateways: readonly Gateway[]) {
    this.#data = data
    this.#gateways = gateways
  }

  /** Their key lets the gateway keep what they ask. */
  async join(): Promise<void> {
    const key = await newKey(this.#gateways[0]!, { metadata: { routeiq_capture: { sample: 1 } } })
    this.#keys.push(key)
  }

  async ask(prompt: StoryPrompt, at: Gateway = this.#gateways[this.calls % this.#gateways.length]!): Promise<Answered> {
    const session = `story-${this.calls++}`
    const [key = ''] = this.#keys
    const answer = await chat({ url: at.url, key }, group, prompt.text, { litellm_session_id: session })
    if (answer.status !== 200) this.failures.push(`${session}: ${answer.status} ${answer.text.slice(0, 300)}`)
    const model = String(answer.headers['x-litellm-model-id'])
    const column = this.#data.models.findIndex(({ id }) => id === model)
    const quality = this.spoilt.has(model) ? 0 : (prompt.quality[column] ?? 0)
    const cost = Number(answer.headers['x-litellm-response-cost'])
    if (answer.status === 200) await this.#judge(at, key, String(answer.headers['x-litellm-call-id']), quality)
    return { model, quality, cost, answer }
  }

  async #judge(gateway: Gateway, key: string, request_id: string, score: number): Promise<void> {
    const given = await send(`${gateway.url}/v1/routeiq/feedback`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: { request_id, score, scale: '0..1' },
    })
    if (given.status >= 300) this.failures.push(`feedback: ${given.status} ${given.text.slice(0, 300)}`)
  }

  /** All of them, some at once. */
  async askAll(prompts: readonly StoryPrompt[], atOnce = 32): Promise<Answered[]> {
    const answers: Answered[] = []
    let next = 0
    const askOn = async (): Promise<void> => {
      for (let at = next++; at < prompts.length; at = next++) answers[at] = await this.ask(prompts[at]!)
    }
    await Promise.all(Array.from({ length: atOnce }, askOn))
    return answers
  }
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
