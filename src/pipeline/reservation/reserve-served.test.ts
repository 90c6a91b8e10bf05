import { describe, expect, it } from 'vitest'
import { LimitExceeded } from '../../governance/limits/refusal.ts'
import { rulesOf } from '../../governance/limits/rules.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { deployment } from '../routing/routing.fixtures.ts'
import { simpleShuffle } from '../routing/strategies/simple-shuffle.ts'
import type { ModelGroup } from '../routing/types.ts'
import { factsOf } from './group-facts.ts'
import { asking, groupOf, keyWith, priced, type WorldOptions, world } from './reservation.fixtures.ts'
import type { Reservation } from './reservation.ts'

const a = groupOf('a', { price: priced, model: 'up-a', rpm: 10 })
const b = groupOf('b', { price: priced, model: 'up-b', rpm: 10 })
const virtual: ModelGroup = {
  name: 'auto',
  deployments: [...a.deployments, ...b.deployments],
  strategy: simpleShuffle,
}
const second = 'key:k1:requests:60s'

function setUp(settings: Record<string, unknown>, options?: WorldOptions) {
  const own = world(options)
  const key = keyWith(settings)
  let contacts = 0
  const { state } = own
  const reserve = state.reserve.bind(state)
  state.reserve = (...args) => {
    contacts++
    return reserve(...args)
  }
  return {
    ...own,
    contacts: () => contacts,
    take: async (group = virtual) => own.reservations.reserve(own.limits, asking(key, { group })),
    serve: async (group: ModelGroup, held: Reservation | undefined) =>
      own.reservations.reserveServed(own.limits, asking(key, { group }), held),
    used: async (counter: string) => (await own.read(counter)).used,
  }
}

describe('a virtual name', () => {
  it('is none of its models: their names and rates are not its own', () => {
    expect(factsOf(virtual)).toMatchObject({ names: [], rpm: undefined, tpm: undefined })
    expect(factsOf(a)).toMatchObject({ names: ['openai/up-a'], rpm: 10 })
  })

  it('is asked for the limits of its name, and the model that serves for the rest alone', async () => {
    const own = setUp({ rpm_limit: 5, model_rpm_limit: { a: 1, 'openai/up-b': 1, auto: 3 } })
    const held = await own.take()
    expect(held?.limits.map(({ counter }) => counter)).toEqual([second, `${second}:auto`])
    const served = await own.serve(a, held)
    expect(served?.limits.map(({ counter }) => counter)).toEqual([`${second}:a`])
    expect(own.contacts()).toBe(2)
    served?.settle({ inputTokens: 1, outputTokens: 1, cost: 1 })
    held?.settle({ inputTokens: 1, outputTokens: 1, cost: 1 })
    expect(await own.used(second), 'once').toBe(1)
    expect(await own.used(`${second}:a`)).toBe(1)
    expect(await own.used(`${second}:openai/up-b`)).toBe(0)
    const again = await own.take()
    await expect(own.serve(a, again)).rejects.toMatchObject({ rule: { model: 'a' }, name: 'LimitExceeded' })
    const other = await own.serve(b, again)
    other?.refund()
    again?.refund()
    expect(await own.read(`${second}:openai/up-b`)).toMatchObject({ used: 0, reserved: 0 })
  })

  it('costs no second contact where no limit speaks of the model', async () => {
    const own = setUp({ rpm_limit: 5 })
    const held = await own.take()
    expect(await own.serve(a, held)).toBeUndefined()
    expect(own.contacts()).toBe(1)
    const free = setUp({})
    expect(await free.take()).toBeUndefined()
    expect(await free.serve(a, undefined)).toBeUndefined()
    expect(free.contacts()).toBe(0)
  })

  it('reached from a group whose own limit is no longer charged: the attempt takes it', async () => {
    const own = setUp({ model_rpm_limit: { a: 2 } }, { enforcement: { fallbackBudgets: false } })
    const held = await own.take(a)
    own.reservations.again(own.limits, asking(keyWith({}), { group: virtual }), held)
    const served = await own.serve(a, held)
    served?.settle({ inputTokens: 1, outputTokens: 1, cost: 1 })
    held?.settle({ inputTokens: 1, outputTokens: 1, cost: 1 })
    expect(await own.used(`${second}:a`)).toBe(1)
  })

  it('asks limits of tags for the model as well', async () => {
    const rules = { ofTag: () => rulesOf('tag', 't', { model_rpm_limit: { a: 0 } }) }
    const { reservations, limits } = world({ rules })
    const asked = (group: ModelGroup) => asking(keyWith({}), { group, tags: ['t'] })
    expect(reservations.reserve(limits, asked(virtual))).toBeUndefined()
    expect(() => reservations.reserveServed(limits, asked(a), undefined)).toThrow(LimitExceeded)
    expect(reservations.reserveServed(limits, asked(b), undefined)).toBeUndefined()
  })

  it('where only models with a price are served, each is asked for its own', async () => {
    const unpriced = { name: 'c', deployments: [deployment('c-1', { group: 'c' })] }
    const own = setUp({}, { enforcement: { blockUnpriced: true } })
    const mixed = { ...virtual, deployments: [...a.deployments, ...unpriced.deployments] }
    expect(await own.take(mixed)).toBeUndefined()
    expect(await own.serve(a, undefined)).toBeUndefined()
    await expect(own.serve(unpriced, undefined)).rejects.toThrow(GatewayError)
  })

  it('divides the capacity of the model that serves, and the planner knows who has such limits', async () => {
    const shares = {
      shares: new Map([['prod', { type: 'percent', value: 0.5 } as const]]),
      defaultShare: 0.1,
      saturationThreshold: 0,
      saturationTtl: 60_000,
    }
    const own = setUp({}, { enforcement: { priorities: shares } })
    const held = await own.take()
    expect(held).toBeUndefined()
    const served = await own.serve(a, held)
    expect(served?.limits.map(({ rule }) => `${rule.scope} ${rule.scopeId}`)).toEqual([
      'model_group a',
      'priority a:default_pool',
    ])
    const { planner } = world().limits
    expect(planner.differsByModel(keyWith({ rpm_limit: 1 }))).toBe(false)
    expect(planner.differsByModel(keyWith({ model_max_budget: { a: 1 } }))).toBe(true)
    expect(own.limits.planner.differsByModel(keyWith({}))).toBe(true)
  })
})
