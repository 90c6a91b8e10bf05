import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, contentOf, message, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { type RawUpstream, startRawUpstream } from './raw-upstream.ts'
import { modelOf, prompt, type Scenario, type Side, type StreamEnd, vendorOf } from './scenario.ts'

/** One gateway that serves every scenario of a table, each as a model group of its own. */
export interface World {
  readonly gateway: Gateway
  readonly upstream: Upstream
  readonly raw: RawUpstream
  run(scenario: Scenario): Promise<Observed>
  close(): Promise<void>
}

export interface Observed {
  readonly answer: StreamAnswer
  /** Calls of this scenario that arrived at an upstream. */
  readonly reached: number
  readonly text: string
  readonly error: { readonly code: unknown; readonly message: unknown } | undefined
  readonly end: StreamEnd | string | undefined
  /** What `x-routeiq-model` must say for each side, the fallback last. */
  readonly modelNames: readonly string[]
}

export async function startWorld(scenarios: readonly Scenario[], settings: Json = {}): Promise<World> {
  const [upstream, raw] = await Promise.all([startUpstream(), startRawUpstream()])
  const modelList: Json[] = []
  const lists: Record<string, Json[]> = {}
  scenarios.forEach((scenario, index) => {
    const group = groupOf(index)
    scenario.sides.forEach((side, order) => {
      modelList.push(entry(group, side, `s${index}-${order}`, order, scenario.sides.length - 1, upstream, raw))
    })
    if (scenario.fallback === undefined) return
    modelList.push(entry(`${group}-fallback`, scenario.fallback, `s${index}-f`, 0, 0, upstream, raw))
    const list = scenario.fallbackList ?? 'fallbacks'
    lists[list] ??= []
    lists[list].push({ [group]: [`${group}-fallback`] })
  })
  const { general_settings: general, router_settings: router, ...others } = settings
  const gateway = await startGateway({
    config: {
      model_list: modelList,
      // Cooldowns have scenarios of their own.
      router_settings: { disable_cooldowns: true, ...lists, ...(router as Json) },
      general_settings: { max_response_size_mb: 1, ...(general as Json) },
      routeiq: { stream_commit_timeout: 5 },
      ...others,
    },
  })
  return {
    gateway,
    upstream,
    raw,
    run: scenario => run(gateway, upstream, raw, scenario, scenarios.indexOf(scenario)),
    async close() {
      try {
        await gateway.stop()
      } finally {
        await Promise.all([upstream.close(), raw.close()])
      }
    },
  }
}

const groupOf = (index: number): string => `group-${index}`

function entry(
  group: string,
  side: Side,
  tag: string,
  order: number,
  retries: number,
  upstream: Upstream,
  raw: RawUpstream,
): Json {
  const wire = side.wire ?? 'openai'
  const model = `${modelOf[wire]}-${tag}`
  if (side.fault !== undefined && side.fault !== '') upstream.fault(model, side.fault)
  const base = side.raw === undefined ? upstream.url : `${raw.url}/${side.raw}/${tag}`
  return {
    model_name: group,
    litellm_params: {
      model: `${vendorOf[wire]}/${model}`,
      api_key: 'sk-upstream',
      api_base: wire === 'openai' ? `${base}/v1` : base,
      ...(wire === 'azure-openai' ? { api_version: '2024-10-21' } : {}),
      order: order + 1,
      // Every deployment is asked once, in turn.
      num_retries: retries,
      ...side.params,
    },
  }
}

async function run(
  gateway: Gateway,
  upstream: Upstream,
  raw: RawUpstream,
  scenario: Scenario,
  index: number,
): Promise<Observed> {
  const group = groupOf(index)
  const extra = JSON.parse(JSON.stringify(scenario.body ?? {}).replaceAll('$fallback', `${group}-fallback`)) as Json
  const body = { stream: scenario.stream === true, ...extra }
  const options = scenario.headers === undefined ? {} : { headers: scenario.headers }
  const anthropic = scenario.caller === 'anthropic'
  const answer = await (anthropic ? message : chat)(gateway, group, prompt, body, options)
  const tag = `-s${index}-`
  const reached = upstream.requests.filter(request => request.model.includes(tag)).length
  return {
    answer,
    reached: reached + raw.count(`s${index}-`),
    text: anthropic ? messageText(answer) : contentOf(answer),
    error: anthropic ? anthropicError(answer) : openaiError(answer),
    end: answer.events.length === 0 ? undefined : anthropic ? anthropicEnd(answer) : openaiEnd(answer),
    modelNames: [
      ...scenario.sides.map((side, order) => nameOf(side, `s${index}-${order}`)),
      nameOf(scenario.fallback ?? {}, `s${index}-f`),
    ],
  }
}

function nameOf(side: Side, tag: string): string {
  const wire = side.wire ?? 'openai'
  return `${vendorOf[wire]}/${modelOf[wire]}-${tag}`
}

/** The error of a body or an event, if it has the exact shape of OpenAI's; anything else throws. */
function openaiError(answer: StreamAnswer): Observed['error'] {
  const failed = answer.events.find(event => event.json?.['error'] !== undefined)
  const holder = failed?.json ?? (answer.events.length === 0 ? answer.json : undefined)
  const error = holder?.['error'] as Json | undefined
  if (error === undefined) return undefined
  const { message: text, type, param, code, ...rest } = error
  const shaped =
    typeof text === 'string' && typeof type === 'string' && typeof code === 'string' && Object.keys(rest).length === 0
  if (!shaped || (param !== null && typeof param !== 'string') || Object.keys(holder!).length !== 1) {
    throw new Error(`not an OpenAI error: ${JSON.stringify(holder)}`)
  }
  return { code, message: text }
}

function anthropicError(answer: StreamAnswer): Observed['error'] {
  const failed = answer.events.find(event => event.event === 'error')
  const holder = failed?.json ?? (answer.events.length === 0 ? answer.json : undefined)
  const error = holder?.['error'] as Json | undefined
  if (error === undefined) return undefined
  if (holder?.['type'] !== 'error' || typeof error['type'] !== 'string' || typeof error['message'] !== 'string') {
    throw new Error(`not an Anthropic error: ${JSON.stringify(holder)}`)
  }
  if (failed === undefined && typeof holder['request_id'] !== 'string') throw new Error('no request_id')
  return { code: error['type'], message: error['message'] }
}

function openaiEnd(answer: StreamAnswer): string {
  if (answer.end !== 'clean') return `broken (${answer.end})`
  const { events } = answer
  const failed = events.findIndex(event => event.json?.['error'] !== undefined)
  if (failed >= 0)
    return failed === events.length - 2 && events.at(-1)?.data === '[DONE]' ? 'error' : 'junk after error'
  const finished = events.some(event =>
    (event.json?.['choices'] as Json[] | undefined)?.some(choice => typeof choice['finish_reason'] === 'string'),
  )
  if (!finished) return 'silent truncation'
  const marks = events.filter(event => event.data === '[DONE]').length
  if (marks === 0) return 'unmarked'
  return marks === 1 && events.at(-1)?.data === '[DONE]' ? 'complete' : 'marks in the middle'
}

function anthropicEnd(answer: StreamAnswer): string {
  if (answer.end !== 'clean') return `broken (${answer.end})`
  const names = answer.events.map(event => event.event).filter(name => name !== 'ping')
  if (names[0] !== 'message_start' && names[0] !== 'error') return `starts with ${names[0]}`
  if (names.includes('error')) return names.indexOf('error') === names.length - 1 ? 'error' : 'junk after error'
  return names.at(-1) === 'message_stop' && names.at(-2) === 'message_delta' ? 'complete' : 'silent truncation'
}

function messageText(answer: StreamAnswer): string {
  if (answer.events.length > 0) {
    return answer.events.map(event => ((event.json?.['delta'] as Json | undefined)?.['text'] as string) ?? '').join('')
  }
  const blocks = (answer.json?.['content'] as Json[] | undefined) ?? []
  return blocks.map(block => block['text'] ?? '').join('')
}
