import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  DuplicateLease,
  type LeaseItem,
  type SharedState,
  type Window,
} from '../../src/platform/shared-state/shared-state.ts'
import { redisMissing, startRedis } from '../harness/services/redis.ts'
import { type Service, usable } from '../harness/services.ts'
import { Oracle } from './shared-state/oracle.ts'
import { unique, type World } from './shared-state/world.ts'
import { channelWorld, memoryWorld, redisWorld } from './shared-state/worlds.ts'

/** Whatever is asked in whatever order, a counter is the sum of its uses and of its live leases. */

type Kind = Window['kind']

interface Wanted {
  readonly counter: Kind
  readonly amount: number
  readonly limit: number
  readonly overdraft: boolean
  /** A clock that is late: `until` ends that are over. */
  readonly late: boolean
}

type Step =
  | { readonly do: 'reserve'; readonly lease: number; readonly items: readonly Wanted[]; readonly ttl: number }
  /** So many at once that ask for the same, the last of them one that is held or was asked for already. */
  | {
      readonly do: 'burst'
      readonly many: number
      readonly twice: number
      readonly items: readonly Wanted[]
      readonly ttl: number
    }
  | { readonly do: 'settle'; readonly lease: number; readonly used: readonly number[] }
  | { readonly do: 'refund'; readonly lease: number }
  | { readonly do: 'renew'; readonly lease: number; readonly ttl: number }
  | { readonly do: 'leap'; readonly ms: number }
  | { readonly do: 'add' | 'assign'; readonly counter: Kind; readonly amount: number; readonly late: boolean }

const rateLength = 1000
const period = 2500
const leases = 6
const kinds = ['rate', 'until', 'live', 'forever'] as const

const counter = fc.constantFrom<Kind[]>(...kinds)
const lease = fc.nat(leases - 1)
const ttl = fc.constantFrom(300, 900, 5000)
const amount = fc.nat(12)
const wanted: fc.Arbitrary<Wanted> = fc.record({
  counter,
  amount,
  limit: fc.oneof(fc.nat(20), fc.constant(Number.POSITIVE_INFINITY)),
  overdraft: fc.boolean(),
  late: fc.boolean(),
})
const used = fc.array(fc.nat(15), { minLength: kinds.length, maxLength: kinds.length })
const items = fc.uniqueArray(wanted, { minLength: 1, selector: item => item.counter })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('reserve' as const), lease, items, ttl }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('burst' as const),
      many: fc.integer({ min: 2, max: 9 }),
      twice: fc.nat(8),
      items,
      ttl,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const), lease, used }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refund' as const), lease }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const), lease, ttl }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('leap' as const), ms: fc.constantFrom(0, 1, 299, 300, 800, 1700) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('add' as const, 'assign' as const),
      counter: fc.constantFrom<Kind[]>('rate', 'until', 'forever'),
      amount,
      late: fc.boolean(),
    }),
  },
)

function windowOf(kind: Kind, now: number, late: boolean): Window {
  if (kind === 'rate') return { kind, ms: rateLength }
  if (kind === 'until') return { kind, at: (Math.floor(now / period) + (late ? 0 : 1)) * period }
  return { kind }
}

/** Carries the steps out on the state and on the oracle, and compares every answer. */
async function run(world: World, clients: readonly SharedState[], steps: readonly Step[]): Promise<void> {
  const base = unique()
  const oracle = new Oracle(world.now())
  const keyOf = (kind: Kind): string => `${base}:${kind}`
  for (const [turn, step] of steps.entries()) {
    const state = clients[turn % clients.length]!
    const id = 'lease' in step ? `${base}#${step.lease}` : ''
    const itemOf = ({ counter, amount, limit, overdraft, late }: Wanted): LeaseItem => ({
      key: keyOf(counter),
      window: windowOf(counter, world.now(), late),
      amount,
      limit,
      overdraft,
    })
    switch (step.do) {
      case 'leap':
        await world.leap(step.ms)
        oracle.leap(step.ms)
        break
      case 'reserve': {
        const wants = step.items.map(itemOf)
        expect(await answer(() => state.reserve(id, wants, step.ttl))).toEqual(oracle.reserve(id, wants, step.ttl))
        break
      }
      case 'burst': {
        const wants = step.items.map(itemOf)
        const ids = Array.from({ length: step.many }, (_, i) => `${base}#${turn}-${i}`)
        ids.push(ids[step.twice] ?? `${base}#0`)
        const answers = await Promise.all(ids.map(own => answer(() => state.reserve(own, wants, step.ttl))))
        expect(answers).toEqual(ids.map(own => oracle.reserve(own, wants, step.ttl)))
        break
      }
      case 'settle':
      case 'refund': {
        const use = step.do === 'settle' ? step.used : undefined
        state.settle(id, use)
        await state.flush()
        oracle.settle(id, use)
        break
      }
      case 'renew':
        await state.renew([id], step.ttl)
        oracle.renew(id, step.ttl)
        break
      default: {
        const key = keyOf(step.counter)
        const window = windowOf(step.counter, world.now(), step.late)
        if (step.do === 'add') await state.add([{ key, amount: step.amount - 6, window }])
        else await state.assign([{ key, value: step.amount, window }])
        oracle[step.do](key, step.do === 'add' ? step.amount - 6 : step.amount, window)
      }
    }
    const keys = kinds.map(keyOf)
    expect(await state.read(keys)).toEqual(keys.map(key => oracle.read(key)))
  }
  for (let i = 0; i < leases; i++) clients[0]!.settle(`${base}#${i}`, undefined)
  await clients[0]!.flush()
}

async function answer(ask: () => unknown): Promise<unknown> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof DuplicateLease) return 'duplicate'
    throw error
  }
}

function holds(make: () => Promise<World>, numRuns: number): void {
  let world: World
  let clients: SharedState[]
  beforeAll(async () => {
    world = await make()
    clients = [await world.open(), await world.open()]
  })
  afterAll(() => world.close())

  it('is the sum of its uses and its live leases', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), steps => run(world, clients, steps)),
      { numRuns },
    )
  })
}

describe('a counter in memory', () => holds(memoryWorld, 1000))

describe('a counter of a fleet', () => holds(channelWorld, 150))

describe.skipIf(!usable(redisMissing()))('a counter in Redis', () => {
  let server: Service
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  holds(() => redisWorld({ host: '127.0.0.1', port: server.port }), 150)
})
