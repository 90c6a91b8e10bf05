import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodyOf } from '../upstream/server.ts'
import { fallbackScenarios } from './fallbacks.ts'
import { echo, type Scenario } from './scenario.ts'
import { statusScenarios } from './statuses.ts'
import { streamScenarios } from './streams.ts'
import { timeoutScenarios } from './timeouts.ts'
import { transportScenarios } from './transport.ts'
import { type Observed, startWorld, type World } from './world.ts'

const tables = {
  statuses: statusScenarios,
  transport: transportScenarios,
  streams: streamScenarios,
  timeouts: timeoutScenarios,
  fallbacks: fallbackScenarios,
}
const all = Object.values(tables).flat()

/** Every way an upstream can fail, and what the caller gets for it. */
describe('the fault wall', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld(all)
  })
  // Also fails on a crash or an unhandled rejection at any time before.
  afterAll(() => world?.close())

  for (const [table, scenarios] of Object.entries(tables)) {
    describe(table, () => {
      it.each(scenarios.map(scenario => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
        check(scenario, await world.run(scenario))
      })
    })
  }

  it('has given every scenario a name of its own', () => {
    expect(new Set(all.map(scenario => scenario.name)).size).toBe(all.length)
  })

  it('asked OpenAI streams for usage that the caller did not ask for', () => {
    const index = all.findIndex(scenario => scenario.name.startsWith('usage is asked for upstream'))
    const request = world.upstream.requests.find(({ model }) => model === `gpt-4o-s${index}-0`)
    expect(bodyOf(request)['stream_options']).toEqual({ include_usage: true })
  })

  it('has met no error it did not expect', () => {
    expect(world.gateway.logs()).not.toMatch(/unexpected error|"level":"(error|fatal)"/)
  })
})

function check(scenario: Scenario, observed: Observed): void {
  const { expect: expected } = scenario
  const { answer } = observed
  const seen = {
    status: answer.status,
    attempts: Number(answer.headers['x-routeiq-attempts'] ?? 0),
    reached: observed.reached,
    end: observed.end,
    error: observed.error?.code,
    by: answer.status === 200 ? answer.headers['x-routeiq-model'] : undefined,
  }
  const succeeded = expected.status === 200
  const streamed = succeeded && scenario.stream === true
  const by = expected.by === 'fallback' ? scenario.sides.length : expected.by
  expect(seen, answer.text.slice(0, 600)).toEqual({
    status: expected.status,
    attempts: expected.attempts,
    reached: expected.reached ?? expected.attempts,
    end: streamed ? (expected.end ?? 'complete') : undefined,
    error: expected.error ?? (succeeded && expected.end !== 'error' ? undefined : expect.any(String)),
    by: by === undefined ? undefined : observed.modelNames[by],
  })
  if (expected.message !== undefined) expect(observed.error?.message).toMatch(expected.message)
  if (succeeded) {
    const text = expected.text ?? echo
    if (typeof text === 'string') expect(observed.text).toBe(text)
    else expect(observed.text).toMatch(text)
  }
  for (const [name, value] of Object.entries(expected.headers ?? {})) expect(answer.headers[name]).toMatch(value)
  if (streamed && scenario.body?.['stream_options'] === undefined && scenario.caller !== 'anthropic') {
    expect(answer.events.filter(event => event.json?.['usage'] != null)).toEqual([])
  }
}
