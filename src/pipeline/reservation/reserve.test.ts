import { describe, expect, it, vi } from 'vitest'
import type { LimitRule } from '../../governance/limits/limit-rule.ts'
import type { LimitExceeded } from '../../governance/limits/refusal.ts'
import { rulesOf } from '../../governance/limits/rules.ts'
import type { GatewayError } from '../../platform/errors/gateway-error.ts'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import { type SharedState, StateUnavailable } from '../../platform/shared-state/shared-state.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import { freeOfCharge } from '../../providers/model-price.ts'
import { asking, groupOf, holder, keyWith, priced, used, type World, world } from './reservation.fixtures.ts'
import type { Reservation } from './reservation.ts'
import type { Reserving } from './reserve.ts'
import { settleReservation } from './settle-reservation.ts'

const worst = { inputTokens: 1, outputTokens: 100, cost: 1_001_000 }

async function take({ reservations, limits }: World, call: Reserving): Promise<Reservation> {
  return (await reservations.reserve(limits, call))!
}

async function refusal(world: World, call: Reserving): Promise<LimitExceeded> {
  const error = await Promise.resolve()
    .then(() => world.reservations.reserve(world.limits, call))
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
  expect(error, 'the call must be refused').toBeInstanceOf(Error)
  return error as LimitExceeded
}

describe('a reservation', () => {
  it('takes the worst case of everything at once, and settles to the truth', async () => {
    const own = world()
    const key = keyWith({ rpm_limit: 5, tpm_limit: 1000, itpm_limit: 500, otpm_limit: 900, max_parallel_requests: 2 })
    const reservation = await take(own, asking(key))
    expect(await own.read('key:k1:requests:60s')).toMatchObject({ used: 0, reserved: 1 })
    expect(await own.read('key:k1:tokens:60s')).toMatchObject({ used: 0, reserved: 101 })
    expect(await own.read('key:k1:input_tokens:60s')).toMatchObject({ used: 0, reserved: 1 })
    expect(await own.read('key:k1:output_tokens:60s')).toMatchObject({ used: 0, reserved: 100 })
    expect(await own.read('key:k1:parallel:all')).toMatchObject({ used: 0, reserved: 1 })
    settleReservation(reservation, { error: undefined, usage: used(7, 3), cost: 37_000, answered: true })
    expect(await own.read('key:k1:requests:60s')).toMatchObject({ used: 1, reserved: 0 })
    expect(await own.read('key:k1:tokens:60s')).toMatchObject({ used: 10, reserved: 0 })
    expect(await own.read('key:k1:input_tokens:60s')).toMatchObject({ used: 7, reserved: 0 })
    expect(await own.read('key:k1:output_tokens:60s')).toMatchObject({ used: 3, reserved: 0 })
    expect(await own.read('key:k1:parallel:all')).toMatchObject({ used: 0, reserved: 0 })
    settleReservation(reservation, { error: undefined, usage: used(7, 3), cost: 37_000, answered: true })
    expect(await own.read('key:k1:requests:60s'), 'settled once').toMatchObject({ used: 1, reserved: 0 })
  })

  it('answers without a promise in memory mode', () => {
    const own = world()
    expect(own.reservations.reserve(own.limits, asking(keyWith({ rpm_limit: 1, tpm_limit: 500 })))).not.toBeInstanceOf(
      Promise,
    )
  })

  it('does not exist where nothing is limited', () => {
    const own = world()
    expect(own.reservations.reserve(own.limits, asking(holder([])))).toBeUndefined()
    expect(own.reservations.held).toBe(0)
  })

  it('a refused call uses up nothing', async () => {
    const own = world()
    const key = keyWith({ rpm_limit: 10, max_parallel_requests: 1 })
    const first = await take(own, asking(key))
    for (let i = 0; i < 5; i++) expect((await refusal(own, asking(key))).code).toBe('rate_limit_exceeded')
    expect(await own.read('key:k1:requests:60s')).toMatchObject({ used: 0, reserved: 1 })
    first.refund()
    expect(await own.read('key:k1:requests:60s')).toMatchObject({ used: 0, reserved: 0 })
    await take(own, asking(key))
  })
})

describe('the end of a call', () => {
  const budget = keyWith({ max_budget: 1, rpm_limit: 10, tpm_limit: 1000 })
  const spent = async (own: World) =>
    (await own.state.read(['key:k1:requests:60s', 'key:k1:tokens:60s', 'key:k1:budget:all'])).map(value => value.used)

  it('a failure before anything came gives everything back', async () => {
    const own = world()
    settleReservation(await take(own, asking(budget)), {
      error: 'timeout',
      usage: undefined,
      cost: undefined,
      answered: false,
    })
    expect(await spent(own)).toEqual([0, 0, 0])
  })

  it('tokens that were streamed before a failure are paid for', async () => {
    const own = world()
    settleReservation(await take(own, asking(budget)), {
      error: 'connection',
      usage: used(5, 6),
      cost: 65_000,
      answered: true,
    })
    expect(await spent(own)).toEqual([1, 11, 65_000])
  })

  it('whoever leaves in the middle pays for the prompt at least', async () => {
    const own = world()
    settleReservation(await take(own, asking(budget)), {
      error: 'client_disconnected',
      usage: undefined,
      cost: undefined,
      answered: true,
    })
    expect(await spent(own)).toEqual([1, 1, 0])
  })

  it('what an answer cost that nobody can price counts as nothing', async () => {
    const own = world()
    settleReservation(await take(own, asking(budget)), {
      error: undefined,
      usage: used(1, 1),
      cost: -1,
      answered: true,
    })
    expect(await spent(own)).toEqual([1, 2, 0])
  })
})

describe('a refusal', () => {
  it('of a rate: 429 with scope, limit, state, reset and Retry-After', async () => {
    const own = world()
    const rules = rulesOf('team', 'blue', { rpm_limit: 1 })
    await take(own, asking(holder(rules)))
    own.clock.advance(18_000)
    const error = await refusal(own, asking(holder(rules)))
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', status: 429, retryAfter: 42 })
    expect(error.message).toBe(
      "Rate limit exceeded for your team 'blue': 1 requests per 60 s are in use. Try again in 42 s.",
    )
    expect(error.details).toEqual({
      rate_limit_type: 'requests',
      scope: 'team',
      limit: 1,
      current: 0,
      reserved: 1,
      reset_at: '2026-11-23T12:01:00.000Z',
    })
    expect(error.lines).toBe('rate_limit_type: requests\r\nreset_at: 2026-11-23T12:01:00.000Z\r\n')
  })

  it('of a spent budget: budget_exceeded, until the period ends', async () => {
    const own = world()
    const key = keyWith({ max_budget: 0.001, budget_duration: '1d' })
    const first = await take(own, asking(key))
    first.settle({ ...worst, cost: 1_000_000 })
    const error = await refusal(own, asking(key))
    expect(error).toMatchObject({ code: 'budget_exceeded', status: 429, retryAfter: 12 * 3600 })
    expect(error.message).toBe(
      'Budget has been exceeded! The budget of this key is spent. Current cost: 0.001, Max budget: 0.001. It resets at 2026-11-24T00:00:00.000Z.',
    )
    expect(error.details).toMatchObject({ rate_limit_type: 'budget', limit: 0.001, current: 0.001 })
    own.clock.advance(12 * 3600 * 1000)
    await take(own, asking(key))
  })

  it('of a budget that never resets says so, without Retry-After', async () => {
    const own = world()
    const key = keyWith({ max_budget: 0 })
    const error = await refusal(own, asking(key))
    expect(error).toMatchObject({ code: 'budget_exceeded', retryAfter: undefined })
    expect(error.message).toContain('does not reset by itself')
  })

  it('of money that calls in flight have reserved: no budget_exceeded, and soon again', async () => {
    const own = world()
    const key = keyWith({ max_budget: 0.0015 })
    const first = await take(own, asking(key))
    const error = await refusal(own, asking(key))
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', retryAfter: 1 })
    expect(error.message).toContain('reserved by calls in flight')
    first.settle({ ...worst, cost: 10 })
    await take(own, asking(key))
  })

  it('names the model of a limit that is the model’s alone, and leaves other models', async () => {
    const own = world()
    const key = keyWith({ model_rpm_limit: { m: 1, 'other*': 1, 'openai/model': 5 } })
    await take(own, asking(key))
    expect(await refusal(own, asking(key))).toMatchObject({ details: { model: 'm', scope: 'key' } })
    await take(own, asking(key, { group: groupOf('third') }))
    await take(own, asking(key, { group: groupOf('other-2') }))
    expect((await refusal(own, asking(key, { group: groupOf('other-3') }))).message).toContain("model 'other*'")
    expect(await own.read('key:k1:requests:60s:openai/model')).toMatchObject({ reserved: 3 })
  })
})

describe('budgets', () => {
  it('one call at a time may overdraw a small budget', async () => {
    const own = world()
    const key = keyWith({ max_budget: 0.0005 })
    const first = await take(own, asking(key))
    expect((await refusal(own, asking(key))).code).toBe('rate_limit_exceeded')
    first.settle({ ...worst, cost: 400_000 })
    const second = await take(own, asking(key))
    second.settle({ ...worst, cost: 300_000 })
    expect((await refusal(own, asking(key))).code).toBe('budget_exceeded')
    expect(await own.read('key:k1:budget:all')).toMatchObject({ used: 700_000, reserved: 0 })
  })

  it('begin at what the books say, asked once', async () => {
    const spent = vi.fn(async () => 900_000)
    const own = world({ spend: { spent } })
    const key = keyWith({ max_budget: 0.001, budget_duration: '30d' })
    const first = await take(own, asking(key))
    expect((await refusal(own, asking(key))).value).toMatchObject({ used: 900_000, reserved: 1_001_000 })
    first.refund()
    expect(spent).toHaveBeenCalledTimes(1)
    expect(spent).toHaveBeenCalledWith(expect.objectContaining({ metric: 'budget' }), Date.UTC(2026, 10, 1))
  })

  it('what costs nothing passes a spent budget; what nobody can price does not', async () => {
    const own = world()
    const key = keyWith({ max_budget: 0 })
    await take(own, asking(key, { group: groupOf('free', { price: freeOfCharge }) }))
    expect((await refusal(own, asking(key, { group: groupOf('unknown', {}) }))).code).toBe('budget_exceeded')
    const strict = world({ enforcement: { blockUnpriced: true } })
    const error: GatewayError = await refusal(strict, asking(holder([]), { group: groupOf('unknown', {}) }))
    expect(error).toMatchObject({ code: 'permission_denied', param: 'model' })
    expect(strict.reservations.reserve(strict.limits, asking(holder([])))).toBeUndefined()
  })

  it('a temporary raise ends', async () => {
    const own = world()
    const until = new Date(own.clock.time + 1000).toISOString()
    const key = keyWith({ max_budget: 0, temp_budget_increase: 0.001, temp_budget_expiry: until })
    ;(await take(own, asking(key))).refund()
    own.clock.advance(1000)
    expect((await refusal(own, asking(key))).code).toBe('budget_exceeded')
  })

  it('max_reservation bounds what one call holds; without reservation a budget is only checked', async () => {
    const capped = world({ enforcement: { maxReservation: 100 } })
    const key = keyWith({ max_budget: 0.0005 })
    for (let i = 0; i < 3; i++) await take(capped, asking(key))
    expect(await capped.read('key:k1:budget:all')).toMatchObject({ reserved: 300 })
    const checked = world({ enforcement: { reserveBudgets: false } })
    const some = [await take(checked, asking(key)), await take(checked, asking(key))]
    for (const reservation of some) reservation.settle({ ...worst, cost: 400_000 })
    expect((await refusal(checked, asking(key))).code).toBe('budget_exceeded')
  })

  it('are told of by thresholds, once each', async () => {
    const own = world()
    const key = keyWith({ max_budget: 1, soft_budget: 0.5 }, { keyAlias: 'mine', userId: 'u' })
    const spend = async (cost: number) => (await take(own, asking(key))).settle({ ...worst, cost })
    await spend(400_000_000)
    expect(own.alerts).toEqual([])
    await spend(120_000_000)
    await vi.waitFor(() => expect(own.alerts).toHaveLength(1))
    expect(own.alerts[0]).toMatchObject({
      event: 'soft_budget_crossed',
      event_group: 'key',
      token: 'k1',
      key_alias: 'mine',
      user_id: 'u',
      spend: 0.52,
      max_budget: 1,
      soft_budget: 0.5,
    })
    await spend(1000)
    await spend(340_000_000)
    await spend(1000)
    await vi.waitFor(() => expect(own.alerts).toHaveLength(3))
    await spend(139_998_000)
    await refusal(own, asking(key))
    await vi.waitFor(() => expect(own.alerts).toHaveLength(5))
    expect(own.alerts.map(({ event }) => event)).toEqual([
      'soft_budget_crossed',
      'max_budget_alert',
      'threshold_crossed',
      'threshold_crossed',
      'budget_crossed',
    ])
  })
})

describe('who is asked', () => {
  it('sessions have caps of their own, for an hour', async () => {
    const own = world()
    const key = keyWith({ metadata: { max_iterations: 2 } })
    const inSession = (sessionId: string | undefined) => asking(key, { sessionId })
    for (let i = 0; i < 2; i++) (await take(own, inSession('s1'))).settle(worst)
    expect(await refusal(own, inSession('s1'))).toMatchObject({ details: { scope: 'session' } })
    await take(own, inSession('s2'))
    expect(own.reservations.reserve(own.limits, inSession(undefined))).toBeUndefined()
    own.clock.advance(3_600_000)
    await take(own, inSession('s1'))
  })

  it('end users and tags bring their limits with the request', async () => {
    const endUser = rulesOf('end_user', 'ann', { max_budget: 0 })
    const tag = rulesOf('tag', 'red', { rpm_limit: 1 })
    const own = world({
      rules: {
        ofEndUser: async id => (id === 'ann' ? endUser : []),
        ofTag: name => (name === 'red' ? tag : []),
      },
    })
    const key = holder([])
    expect(await refusal(own, asking(key, { endUser: 'ann' }))).toMatchObject({
      code: 'budget_exceeded',
      message: expect.stringContaining("end user 'ann'"),
    })
    expect(await own.reservations.reserve(own.limits, asking(key, { endUser: 'bob' }))).toBeUndefined()
    await take(own, asking(key, { tags: ['blue', 'red'] }))
    expect(await refusal(own, asking(key, { tags: ['red'] }))).toMatchObject({ details: { scope: 'tag' } })
  })

  it('administrators are counted and never refused', async () => {
    const own = world({ enforcement: { globalRules: rulesOf('global', '', { max_budget: 0.000001 }) } })
    const admin = holder([], { admin: true, proof: 'master_key' })
    for (let i = 0; i < 3; i++) (await take(own, asking(admin))).settle({ ...worst, cost: 1000 })
    expect(await own.read('global::budget:all')).toMatchObject({ used: 3000 })
    expect((await refusal(own, asking(holder([])))).message).toContain('this gateway')
  })

  it('virtual keys without a limit of parallel calls have the default', async () => {
    const own = world({ enforcement: { defaultParallel: 1 } })
    await take(own, asking(holder([])))
    expect(await refusal(own, asking(holder([])))).toMatchObject({
      details: { rate_limit_type: 'max_parallel_requests' },
    })
    const more = world({ enforcement: { defaultParallel: 1 } })
    const key = keyWith({ max_parallel_requests: 2 })
    for (let i = 0; i < 2; i++) await take(more, asking(key))
    await refusal(more, asking(key))
  })

  it('a fallback to another group is asked anew, and the first group gets its share back', async () => {
    const own = world()
    const key = keyWith({ max_budget: 0.002, model_rpm_limit: { dear: 1 } })
    const dear = groupOf('dear', { price: { ...priced, request: 5_000_000_000 } })
    const cheap = asking(key)
    const held = await take(own, cheap)
    const again = await own.reservations.again(own.limits, { ...cheap, group: dear }, held)
    expect(again).not.toBe(held)
    expect(await own.read('key:k1:budget:all'), 'the worst case of the fallback alone').toMatchObject({
      reserved: 6_001_000,
    })
    again!.settle({ ...worst, cost: 5_000_000 })
    expect(await own.read('key:k1:requests:60s:dear')).toMatchObject({ used: 1 })
    const third = asking(key)
    expect((await refusal(own, third)).code).toBe('budget_exceeded')
    const lax = world({ enforcement: { fallbackBudgets: false } })
    const kept = await take(lax, cheap)
    expect(lax.reservations.again(lax.limits, { ...cheap, group: dear }, kept)).toBe(kept)
    kept.settle({ ...worst, cost: 7 })
    expect(await lax.read('key:k1:budget:all')).toMatchObject({ used: 7, reserved: 0 })
  })
})

describe('priorities', () => {
  const shares = {
    shares: new Map([
      ['prod', { type: 'percent', value: 0.7 }],
      ['dev', { type: 'rpm', value: 2 }],
    ] as const),
    defaultShare: 0.1,
    saturationThreshold: 0.5,
    saturationTtl: 60_000,
  }
  const group = groupOf('m', { price: priced, rpm: 10 })
  const caller = (priority?: string) =>
    asking(holder([], { metadata: priority === undefined ? {} : { priority } }), { group })

  it('borrow while the group is idle, and keep to their share when it is not', async () => {
    const own = world({ enforcement: { priorities: shares } })
    for (let i = 0; i < 5; i++) (await take(own, caller('dev'))).settle(worst)
    expect(await refusal(own, caller('dev'))).toMatchObject({ details: { scope: 'priority', limit: 2, current: 5 } })
    for (let i = 0; i < 1; i++) (await take(own, caller())).settle(worst)
    expect(await refusal(own, caller('unheard of')), 'one pool for all without a priority').toMatchObject({
      details: { scope: 'priority', limit: 1 },
    })
    for (let i = 0; i < 4; i++) (await take(own, caller('prod'))).settle(worst)
    expect(await refusal(own, caller('prod'))).toMatchObject({
      details: { scope: 'model_group', limit: 10, current: 10 },
    })
    own.clock.advance(60_000)
    await take(own, caller('dev'))
  })

  it('of administrators are counted only', async () => {
    const own = world({ enforcement: { priorities: shares } })
    const admin = asking(holder([], { admin: true }), { group })
    for (let i = 0; i < 12; i++) (await take(own, admin)).settle(worst)
    expect(await own.read('model_group:m:requests:60s')).toMatchObject({ used: 12 })
  })
})

/** A state that can be cut off. */
function cuttable(): { state: SharedState; cut(away: boolean): void } {
  let away = false
  let onReconnect: () => void = () => {}
  const memory = new MemoryState({})
  const state = new Proxy<SharedState>(memory, {
    get(target, name, receiver) {
      if (name === 'available') return !away
      if (name === 'reserve' && away) return async () => Promise.reject(new StateUnavailable('cut'))
      if (name === 'onReconnect') {
        return (listener: () => void) => {
          onReconnect = listener
          return () => {}
        }
      }
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? value.bind(target) : (value ?? Reflect.get(target, name, receiver))
    },
  })
  return {
    state,
    cut(now) {
      away = now
      if (!now) onReconnect()
    },
  }
}

describe('without shared state', () => {
  it('open: the process counts for itself and brings what was spent when contact is back', async () => {
    const cutting = cuttable()
    let booked = 0
    const own = world({ state: () => cutting.state, spend: { spent: async () => booked } })
    const key = keyWith({ rpm_limit: 2, max_budget: 1, limits: [{ metric: 'requests', limit: 50, window: '7d' }] })
    ;(await take(own, asking(key))).settle({ ...worst, cost: 100 })
    cutting.cut(true)
    const during = [await take(own, asking(key)), await take(own, asking(key))]
    expect((await refusal(own, asking(key))).code).toBe('rate_limit_exceeded')
    for (const reservation of during) reservation.settle({ ...worst, cost: 1000 })
    expect(await own.read('key:k1:budget:all')).toMatchObject({ used: 100 })
    cutting.cut(false)
    // What the books know nothing of is brought at once, money when it has arrived there.
    await vi.waitFor(async () => expect(await own.read('key:k1:requests:per-7d')).toMatchObject({ used: 3 }))
    expect(await own.read('key:k1:requests:60s'), 'a lost minute is forgiven').toMatchObject({ used: 1 })
    expect(await own.read('key:k1:budget:all')).toMatchObject({ used: 100 })
    booked = 2100
    own.clock.advance(1000)
    await vi.waitFor(
      async () => expect(await own.read('key:k1:budget:all')).toMatchObject({ used: 2100, reserved: 0 }),
      10_000,
    )
  })

  it('an emptied state is seeded from the books, which know of the outage already', async () => {
    const cutting = cuttable()
    const own = world({ state: () => cutting.state, spend: { spent: async () => 5000 } })
    const key = keyWith({ max_budget: 1 })
    cutting.cut(true)
    ;(await take(own, asking(key))).settle({ ...worst, cost: 1000 })
    cutting.cut(false)
    own.clock.advance(1000)
    await vi.waitFor(async () => expect(await own.read('key:k1:budget:all')).toMatchObject({ used: 5000 }), 10_000)
  })

  it.each([
    ['rate', { rpm_limit: 2 }, { max_budget: 1 }],
    ['budget', { max_budget: 1 }, { rpm_limit: 2 }],
  ])('closed for %s: 503 for calls with such limits, the others go on', async (kind, closed, open) => {
    const cutting = cuttable()
    const modes = { rate: 'open', budget: 'open', [kind]: 'closed' } as const
    const own = world({ state: () => cutting.state, enforcement: { onStateUnavailable: modes } })
    cutting.cut(true)
    expect(await refusal(own, asking(keyWith(closed)))).toMatchObject({
      code: 'limits_unavailable',
      status: 503,
      retryAfter: 1,
    })
    await take(own, asking(keyWith(open)))
  })

  it('books that are away too: open begins at nothing, closed refuses', async () => {
    const spend = { spent: () => Promise.reject(new StoreUnavailable('gone')) }
    await take(world({ spend }), asking(keyWith({ max_budget: 1 })))
    const closed = { onStateUnavailable: { rate: 'open', budget: 'closed' } } as const
    const error = await refusal(world({ spend, enforcement: closed }), asking(keyWith({ max_budget: 1 })))
    expect(error.code).toBe('limits_unavailable')
    const rules = { ofEndUser: (): Promise<readonly LimitRule[]> => Promise.reject(new StoreUnavailable('gone')) }
    const call = asking(keyWith({ rpm_limit: 1 }), { endUser: 'ann' })
    await take(world({ rules }), call)
    expect((await refusal(world({ rules, enforcement: closed }), call)).code).toBe('limits_unavailable')
  })

  it('an error that is no outage is not taken for one', async () => {
    const state = new MemoryState({})
    state.reserve = () => {
      throw new TypeError('defect')
    }
    expect(await refusal(world({ state: () => state }), asking(keyWith({ rpm_limit: 1 })))).toBeInstanceOf(TypeError)
  })
})

describe('leases', () => {
  it('are renewed together while their calls run, and not after', async () => {
    vi.useFakeTimers()
    try {
      const own = world()
      const renew = vi.spyOn(own.state, 'renew')
      const key = keyWith({ max_parallel_requests: 5 })
      const some = [await take(own, asking(key)), await take(own, asking(key))]
      some[0]!.refund()
      await vi.advanceTimersByTimeAsync(20_000)
      expect(renew.mock.calls).toEqual([[[some[1]!.id], 60_000]])
      some[1]!.refund()
      await vi.advanceTimersByTimeAsync(60_000)
      expect(renew).toHaveBeenCalledTimes(1)
      expect(vi.getTimerCount(), 'only the sweepers of the two states are left').toBe(2)
    } finally {
      vi.useRealTimers()
    }
  })

  it('of a process that died come back by themselves', async () => {
    const own = world()
    const key = keyWith({ max_parallel_requests: 1 })
    await take(own, asking(key))
    own.clock.advance(59_000)
    await refusal(own, asking(key))
    own.clock.advance(1001)
    await take(own, asking(key))
  })
})
