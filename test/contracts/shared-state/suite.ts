import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  DuplicateLease,
  type LeaseResult,
  type SharedState,
  StateUnavailable,
  type Window,
} from '../../../src/platform/shared-state/shared-state.ts'
import { eventually } from './eventually.ts'
import { forever, item, live, longTtl, perMinute, settled, standOf, unique, type World } from './world.ts'

/** What every adapter of the shared state must do. */
export function sharedStateContract(make: () => Promise<World>): void {
  let world: World
  let state: SharedState
  beforeAll(async () => {
    world = await make()
    state = await world.open()
  })
  afterAll(() => world.close())

  const refusedItem = (result: LeaseResult): number | undefined => (result.granted ? undefined : result.item)

  describe('a reservation', () => {
    it('takes every item or none, and names the first that refuses', async () => {
      const [a, b, c, d] = [unique(), unique(), unique(), unique()]
      const items = [item(a, 5), item(b, 2), item(c, 1), item(d, 5, { window: perMinute })]
      const first = await state.reserve(unique(), items, longTtl)
      expect(first).toMatchObject({ granted: true, values: [1, 1, 1, 1].map(reserved => ({ used: 0, reserved })) })
      const second = await state.reserve(unique(), items, longTtl)
      expect(second).toMatchObject({ granted: false, item: 2, value: { used: 0, reserved: 1 } })
      expect(second.values).toMatchObject([1, 1, 1, 1].map(reserved => ({ used: 0, reserved })))
      const third = await state.reserve(unique(), [item(a, 5), item(c, 1), item(b, 0)], longTtl)
      expect(refusedItem(third)).toBe(1)
      expect(await standOf(state, a)).toEqual([0, 1])
      expect(await standOf(state, b)).toEqual([0, 1])
    })

    it('leaves nothing behind when refused, not even a window', async () => {
      const [free, full] = [unique(), unique()]
      const items = [item(free, 5, { window: perMinute }), item(full, 0, { window: perMinute })]
      const result = await state.reserve(unique(), items, longTtl)
      expect(refusedItem(result)).toBe(1)
      // When the window would end, had the call been let in.
      expect(result.values[1]).toEqual({ used: 0, reserved: 0, resetAt: world.now() + 60_000 })
      expect(await state.read([free, full])).toEqual([0, 0].map(() => ({ used: 0, reserved: 0, resetAt: undefined })))
      await world.leap(30_000)
      const later = await state.reserve(unique(), [item(free, 5, { window: perMinute })], longTtl)
      expect(later.values[0]?.resetAt).toBe(world.now() + 60_000)
    })

    it('grants exactly as many as fit, whoever asks at once', async () => {
      const key = unique()
      const other = await world.open()
      const results = await Promise.all(
        Array.from({ length: 1000 }, (_, i) =>
          (i % 2 === 0 ? state : other).reserve(unique(), [item(key, 100)], longTtl),
        ),
      )
      expect(results.filter(({ granted }) => granted)).toHaveLength(100)
      expect(await standOf(state, key)).toEqual([0, 100])
    })

    it('may overdraw while nothing else is reserved and something is left', async () => {
      const key = unique()
      const costly = (limit = 100) => [item(key, limit, { amount: 500, overdraft: true })]
      const first = unique()
      expect((await state.reserve(first, costly(), longTtl)).granted).toBe(true)
      expect((await state.reserve(unique(), costly(), longTtl)).granted).toBe(false)
      state.settle(first, [99])
      await settled(state)
      const second = unique()
      expect((await state.reserve(second, costly(), longTtl)).granted).toBe(true)
      state.settle(second, [41])
      await settled(state)
      expect(await standOf(state, key)).toEqual([140, 0])
      expect((await state.reserve(unique(), costly(), longTtl)).granted).toBe(false)
      expect((await state.reserve(unique(), costly(141), longTtl)).granted).toBe(true)
    })

    it('is not overdrawn where that is not allowed', async () => {
      const key = unique()
      expect((await state.reserve(unique(), [item(key, 100, { amount: 101 })], longTtl)).granted).toBe(false)
      expect((await state.reserve(unique(), [item(key, 100, { amount: 100 })], longTtl)).granted).toBe(true)
    })

    it('counts exactly up to 2^53, and without a limit', async () => {
      const key = unique()
      const most = Number.MAX_SAFE_INTEGER
      const id = unique()
      await state.reserve(id, [item(key, most, { amount: most })], longTtl)
      expect(await standOf(state, key)).toEqual([0, most])
      expect((await state.reserve(unique(), [item(key, most)], longTtl)).granted).toBe(false)
      state.settle(id, [most - 1])
      await settled(state)
      expect(await standOf(state, key)).toEqual([most - 1, 0])
      const counted = await state.reserve(unique(), [item(key, Number.POSITIVE_INFINITY)], longTtl)
      expect(counted).toMatchObject({ granted: true, values: [{ used: most - 1, reserved: 1 }] })
    })

    it('of an amount without bounds is refused, and ruins nothing', async () => {
      const key = unique()
      const amount = Number.POSITIVE_INFINITY
      for (const overdraft of [false, true]) {
        const wanted = [item(key, Number.POSITIVE_INFINITY, { amount, overdraft })]
        expect((await state.reserve(unique(), wanted, longTtl)).granted).toBe(false)
      }
      expect(await standOf(state, key)).toEqual([0, 0])
    })

    it('may have no items, and many', async () => {
      const none = unique()
      expect(await state.reserve(none, [], longTtl)).toEqual({ granted: true, values: [] })
      state.settle(none, [])
      const prefix = unique()
      const many = Array.from({ length: 300 }, (_, i) => item(`${prefix}:${i}`, 1, { amount: 1 }))
      const id = unique()
      expect((await state.reserve(id, many, longTtl)).values).toHaveLength(300)
      state.settle(
        id,
        many.map((_, i) => i),
      )
      await settled(state)
      expect(await standOf(state, `${prefix}:299`)).toEqual([299, 0])
    })

    it('counts a key that it names twice twice', async () => {
      const key = unique()
      const id = unique()
      const result = await state.reserve(id, [item(key, 5, { window: perMinute }), item(key, 5)], longTtl)
      expect(result.granted).toBe(true)
      expect(await standOf(state, key)).toEqual([0, 2])
      state.settle(id, [3, 4])
      await settled(state)
      expect(await standOf(state, key)).toEqual([7, 0])
    })

    it('needs an id of its own', async () => {
      const key = unique()
      const id = unique()
      await state.reserve(id, [item(key, 5)], longTtl)
      const again = async () => state.reserve(id, [item(key, 5)], longTtl)
      await expect(again()).rejects.toBeInstanceOf(DuplicateLease)
      expect(await standOf(state, key)).toEqual([0, 1])
      state.settle(id, [1])
      await settled(state)
      expect((await again()).granted).toBe(true)
    })
  })

  describe('a settlement', () => {
    it('replaces what was reserved by what was used', async () => {
      const [tokens, money] = [unique(), unique()]
      const id = unique()
      await state.reserve(id, [item(tokens, 1000, { amount: 500 }), item(money, 1000, { amount: 500 })], longTtl)
      state.settle(id, [120, 700])
      await settled(state)
      expect(await standOf(state, tokens)).toEqual([120, 0])
      expect(await standOf(state, money)).toEqual([700, 0])
    })

    it('gives everything back without a use', async () => {
      const [a, b] = [unique(), unique()]
      const id = unique()
      await state.reserve(id, [item(a, 5, { amount: 3 }), item(b, 1, { window: live })], longTtl)
      state.settle(id, undefined)
      await settled(state)
      expect(await standOf(state, a)).toEqual([0, 0])
      expect(await standOf(state, b)).toEqual([0, 0])
    })

    it('counts once, whoever repeats it', async () => {
      const key = unique()
      const id = unique()
      const other = await world.open()
      await state.reserve(id, [item(key, 100, { amount: 10 })], longTtl)
      state.settle(id, [7])
      state.settle(id, [7])
      await settled(state)
      other.settle(id, [7])
      other.settle(id, undefined)
      await settled(other)
      expect(await standOf(state, key)).toEqual([7, 0])
    })

    it('of a lease that nobody knows changes nothing', async () => {
      state.settle(unique(), [1, 2, 3])
      state.settle(unique(), undefined)
      await settled(state)
    })

    it('never lowers a counter by a negative use, nor ruins it by one that is no number', async () => {
      const key = unique()
      for (const use of [5, -3, Number.NaN]) {
        const id = unique()
        await state.reserve(id, [item(key, 100)], longTtl)
        state.settle(id, [use])
      }
      await settled(state)
      expect(await standOf(state, key)).toEqual([5, 0])
    })

    it('of calls in parallel leaves nothing used', async () => {
      const key = unique()
      const ids = [unique(), unique()]
      for (const id of ids) await state.reserve(id, [item(key, 2, { window: live })], longTtl)
      expect((await state.reserve(unique(), [item(key, 2, { window: live })], longTtl)).granted).toBe(false)
      state.settle(ids[0]!, [1])
      await settled(state)
      expect(await standOf(state, key)).toEqual([0, 1])
      state.settle(ids[1]!, [1])
      await settled(state)
      expect(await standOf(state, key)).toEqual([0, 0])
    })
  })

  describe('an expired lease', () => {
    it('gives everything back by itself, and a late settlement still counts once', async () => {
      const [a, b] = [unique(), unique()]
      const id = unique()
      await state.reserve(id, [item(a, 10, { amount: 10 }), item(b, 1, { window: live })], 5000)
      await world.leap(4999)
      expect(await standOf(state, a)).toEqual([0, 10])
      await world.leap(1)
      expect(await standOf(state, a)).toEqual([0, 0])
      expect(await standOf(state, b)).toEqual([0, 0])
      expect((await state.reserve(unique(), [item(b, 1, { window: live })], longTtl)).granted).toBe(true)
      state.settle(id, [4, 1])
      state.settle(id, [4, 1])
      await settled(state)
      expect(await standOf(state, a)).toEqual([4, 0])
      expect(await standOf(state, b)).toEqual([0, 1])
    })

    it('makes room for the reservation that finds it', async () => {
      const key = unique()
      await state.reserve(unique(), [item(key, 1)], 1000)
      await world.leap(1000)
      expect((await state.reserve(unique(), [item(key, 1)], longTtl)).granted).toBe(true)
    })

    it('is forgotten after an hour', async () => {
      const key = unique()
      const id = unique()
      await state.reserve(id, [item(key, 10)], 1000)
      await world.leap(1000)
      await state.read([key])
      await world.leap(3_600_000)
      await state.read([key])
      state.settle(id, [4])
      await settled(state)
      expect(await standOf(state, key)).toEqual([0, 0])
    })

    it('lives on when it is renewed, and is not revived', async () => {
      const key = unique()
      const [renewed, lost] = [unique(), unique()]
      await state.reserve(renewed, [item(key, 10, { amount: 1 })], 5000)
      await state.reserve(lost, [item(key, 10, { amount: 2 })], 5000)
      await world.leap(4000)
      await state.renew([renewed, unique()], 5000)
      await world.leap(4000)
      expect(await standOf(state, key)).toEqual([0, 1])
      await state.renew([lost, renewed], 5000)
      expect(await standOf(state, key)).toEqual([0, 1])
      await world.leap(5000)
      expect(await standOf(state, key)).toEqual([0, 0])
    })

    it('is found among many of different lives', async () => {
      const key = unique()
      // More different times to live than there are lists for.
      for (let i = 1; i <= 150; i++) await state.reserve(unique(), [item(key, 1000)], 1000 + ((i * 37) % 150))
      for (const [passed, expired] of [
        [1000, 1],
        [49, 50],
        [50, 100],
        [50, 150],
      ] as const) {
        await world.leap(passed)
        // A hundred at a time.
        await state.read([key])
        expect(await standOf(state, key)).toEqual([0, 150 - expired])
      }
    })
  })

  describe('a window', () => {
    it('of a rate begins with its first use and counts anew after its end', async () => {
      const key = unique()
      const take = () => state.reserve(unique(), [item(key, 2, { window: perMinute })], 3_000_000)
      const first = await take()
      const end = world.now() + 60_000
      expect(first.values[0]).toEqual({ used: 0, reserved: 1, resetAt: end })
      await world.leap(59_999)
      expect((await take()).values[0]).toEqual({ used: 0, reserved: 2, resetAt: end })
      expect(await take()).toMatchObject({ granted: false, value: { used: 0, reserved: 2, resetAt: end } })
      await world.leap(1)
      expect(await state.read([key])).toEqual([{ used: 0, reserved: 0, resetAt: undefined }])
      expect((await take()).values[0]).toEqual({ used: 0, reserved: 1, resetAt: end + 60_000 })
    })

    it('takes with it what was reserved in it, and settlements of its calls no longer count', async () => {
      const key = unique()
      const [old, young] = [unique(), unique()]
      const items = [item(key, 10, { window: perMinute, amount: 4 })]
      await state.reserve(old, items, 3_000_000)
      await world.leap(60_000)
      await state.reserve(young, items, 3_000_000)
      expect(await standOf(state, key)).toEqual([0, 4])
      state.settle(old, [9])
      await settled(state)
      expect(await standOf(state, key)).toEqual([0, 4])
      state.settle(young, [2])
      await settled(state)
      expect(await standOf(state, key)).toEqual([2, 0])
    })

    it('until a moment begins anew for the use that knows of a later one', async () => {
      const key = unique()
      const midnight = world.now() + 100_000
      const take = (at: number) => state.reserve(unique(), [item(key, 2, { window: { kind: 'until', at } })], 3_000_000)
      await take(midnight)
      // A later end known before the first is over changes nothing yet.
      expect((await take(midnight + 1)).values[0]).toEqual({ used: 0, reserved: 2, resetAt: midnight })
      await world.leap(100_000)
      // A process whose clock is late still counts in the old window.
      expect(refusedItem(await take(midnight))).toBe(0)
      const next = await take(midnight + 86_400_000)
      expect(next.values[0]).toEqual({ used: 0, reserved: 1, resetAt: midnight + 86_400_000 })
      expect((await take(midnight)).values[0]).toMatchObject({ reserved: 2, resetAt: midnight + 86_400_000 })
    })

    it('that never ends goes on', async () => {
      const key = unique()
      const id = unique()
      await state.reserve(id, [item(key, 10)], longTtl)
      state.settle(id, [3])
      await settled(state)
      await world.leap(10 * 86_400_000)
      expect(await state.read([key])).toEqual([{ used: 3, reserved: 0, resetAt: undefined }])
    })

    it('is not bound to a clock that stepped back', async () => {
      const key = unique()
      const take = () => state.reserve(unique(), [item(key, 1, { window: perMinute })], 3_000_000)
      await take()
      await world.leap(-30_000_000)
      expect((await take()).values[0]).toEqual({ used: 0, reserved: 1, resetAt: world.now() + 60_000 })
      await world.leap(30_000_000)
    })
  })

  describe('a seed', () => {
    it('is what a missing counter starts at, and is asked for only then', async () => {
      const [seeded, plain] = [unique(), unique()]
      let asked = 0
      const seed = async () => {
        asked++
        return 70
      }
      const items = [item(plain, 100), item(seeded, 100, { amount: 20, seed })]
      const first = await state.reserve(unique(), items, longTtl)
      expect(first).toMatchObject({ granted: true, values: [{ used: 0 }, { used: 70, reserved: 20 }] })
      const second = await state.reserve(unique(), items, longTtl)
      expect(second).toMatchObject({ granted: false, item: 1, value: { used: 70, reserved: 20 } })
      expect(asked).toBe(1)
    })

    it('can refuse', async () => {
      const key = unique()
      const result = await state.reserve(unique(), [item(key, 50, { seed: async () => 50 })], longTtl)
      expect(result).toMatchObject({ granted: false, item: 0, value: { used: 50, reserved: 0 } })
    })

    it('is not added up when several ask at once', async () => {
      const key = unique()
      const other = await world.open()
      const take = (by: SharedState) => by.reserve(unique(), [item(key, 1000, { seed: async () => 100 })], longTtl)
      await Promise.all([state, other, state, other, state, other].map(take))
      expect(await standOf(state, key)).toEqual([100, 6])
    })

    it('that cannot be had makes the state unavailable for the call', async () => {
      const key = unique()
      const cause = new Error('the store is away')
      const seed = async (): Promise<number> => {
        throw cause
      }
      const failing = (async () => state.reserve(unique(), [item(key, 5, { seed })], longTtl))()
      await expect(failing).rejects.toBeInstanceOf(StateUnavailable)
      await expect(failing).rejects.toMatchObject({ cause })
      expect(await standOf(state, key)).toEqual([0, 0])
    })

    it('that is no use counts as 0', async () => {
      for (const value of [-5, Number.NaN]) {
        const result = await state.reserve(unique(), [item(unique(), 5, { seed: async () => value })], longTtl)
        expect(result).toMatchObject({ granted: true, values: [{ used: 0, reserved: 1 }] })
      }
    })
  })

  describe('counters outside of calls', () => {
    it('are added to and set, leases kept', async () => {
      const key = unique()
      const window: Window = { kind: 'until', at: world.now() + 50_000 }
      await state.add([{ key, amount: 30, window }])
      expect(await state.read([key])).toEqual([{ used: 30, reserved: 0, resetAt: window.at }])
      const id = unique()
      await state.reserve(id, [item(key, 100, { amount: 20, window })], longTtl)
      await state.assign([{ key, value: 5, window: { kind: 'until', at: window.at + 1 } }])
      expect(await state.read([key])).toEqual([{ used: 5, reserved: 20, resetAt: window.at }])
      await state.add([
        { key, amount: 2, window },
        { key, amount: -100, window },
      ])
      expect(await standOf(state, key)).toEqual([0, 20])
      state.settle(id, [8])
      await settled(state)
      expect(await standOf(state, key)).toEqual([8, 0])
      await world.leap(50_000)
      await state.add([{ key, amount: 1, window: { kind: 'until', at: window.at + 100_000 } }])
      expect(await state.read([key])).toEqual([{ used: 1, reserved: 0, resetAt: window.at + 100_000 }])
    })

    it('that are absent are 0', async () => {
      const nothing = { used: 0, reserved: 0, resetAt: undefined }
      expect(await state.read([unique(), unique()])).toEqual([nothing, nothing])
      expect(await state.read([])).toEqual([])
    })
  })

  describe('names', () => {
    it('are told apart whatever is in them', async () => {
      const base = unique()
      const keys = ['a:b', 'a', 'b', 'a:b:c', 'a b', 'a\n', 'a\r\n', 'a\0', 'ä', 'a*', '{a}', '}', 'a}b', '🙂', '', ' ']
      const named = keys.map(key => `${base}${key}`)
      const counted = named.map((key, i) => item(key, 1000, { amount: i + 1 }))
      await state.reserve(unique(), counted, longTtl)
      expect((await state.read(named)).map(({ reserved }) => reserved)).toEqual(keys.map((_, i) => i + 1))
      for (const [i, key] of named.entries()) await state.set(key, String(i), undefined)
      expect(await Promise.all(named.map(key => state.get(key)))).toEqual(keys.map((_, i) => String(i)))
      const locks = await Promise.all(named.map(name => state.lock(name, 60_000)))
      expect(locks.filter(lock => lock !== undefined)).toHaveLength(named.length)
    })

    it('of leases and counters are told apart where they meet', async () => {
      const base = unique()
      const pairs = [
        [`${base}a:b`, 'c'],
        [`${base}a`, 'b:c'],
        [`${base}a:b:c`, ''],
        ['', `${base}a:b:c`],
      ] as const
      for (const [i, [id, key]] of pairs.entries()) {
        const result = await state.reserve(id, [item(`${base}${key}`, 100, { amount: i + 1 })], longTtl)
        expect(result.values).toMatchObject([{ reserved: i + 1 }])
      }
      state.settle(pairs[0][0], [50])
      await settled(state)
      expect(await standOf(state, `${base}c`)).toEqual([50, 0])
      expect(await standOf(state, `${base}b:c`)).toEqual([0, 2])
      for (const [id] of pairs) state.settle(id, undefined)
      await settled(state)
    })
  })

  describe('values', () => {
    it('are kept, replaced, deleted, and go with time', async () => {
      const [a, b] = [unique(), unique()]
      expect(await state.get(a)).toBeUndefined()
      await state.set(a, 'one', undefined)
      await state.set(b, '', 100)
      expect([await state.get(a), await state.get(b)]).toEqual(['one', ''])
      await state.set(a, 'two 🙂\n', undefined)
      await world.pass(120)
      expect([await state.get(a), await state.get(b)]).toEqual(['two 🙂\n', undefined])
      await state.delete([a, b, unique()])
      await state.delete([])
      expect(await state.get(a)).toBeUndefined()
    })

    it('count up, from the first on for their time', async () => {
      const key = unique()
      expect(await state.increment(key, 150)).toBe(1)
      await world.pass(80)
      expect(await state.increment(key, 150)).toBe(2)
      expect(await state.get(key)).toBe('2')
      await world.pass(100)
      expect(await state.increment(key, 150)).toBe(1)
    })

    it('that are no number do not count up', async () => {
      const key = unique()
      await state.set(key, 'word', undefined)
      await expect(state.increment(key, 1000)).rejects.toThrow(/not an integer/)
    })

    it('are one to all clients', async () => {
      const key = unique()
      const other = await world.open()
      await state.set(key, 'here', 60_000)
      expect(await other.get(key)).toBe('here')
    })
  })

  describe('a lock', () => {
    it('is held by one until released', async () => {
      const name = unique()
      const other = await world.open()
      const lock = await state.lock(name, 60_000)
      expect(lock).toBeDefined()
      expect(await other.lock(name, 60_000)).toBeUndefined()
      await lock!.release()
      const next = await other.lock(name, 60_000)
      expect(next).toBeDefined()
      // Released already: it is another's now.
      await lock!.release()
      expect(await lock!.extend(60_000)).toBe(false)
      expect(await state.lock(name, 60_000)).toBeUndefined()
    })

    it('ends with its time unless extended', async () => {
      const name = unique()
      const lock = await state.lock(name, 100)
      expect(await lock!.extend(300)).toBe(true)
      await world.pass(150)
      expect(await state.lock(name, 100)).toBeUndefined()
      await world.pass(200)
      expect(await lock!.extend(300)).toBe(false)
      expect(await state.lock(name, 100)).toBeDefined()
    })

    it('goes to one of many', async () => {
      const name = unique()
      const other = await world.open()
      const locks = await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 ? state : other).lock(name, 60_000)))
      expect(locks.filter(lock => lock !== undefined)).toHaveLength(1)
    })
  })

  describe('messages', () => {
    it('reach every subscriber of the channel, the sender too, in order', async () => {
      const [channel, elsewhere] = [unique(), unique()]
      const other = await world.open()
      const heard: string[][] = [[], [], []]
      state.subscribe(channel, message => heard[0]!.push(message))
      other.subscribe(channel, message => heard[1]!.push(message))
      other.subscribe(elsewhere, message => heard[2]!.push(message))
      // Subscribed by now: the answer came over the same way.
      await Promise.all([state.get('x'), other.get('x')])
      await state.publish(channel, 'one')
      await state.publish(channel, 'two 🙂')
      await other.publish(elsewhere, 'three')
      await eventually(() => heard).toEqual([['one', 'two 🙂'], ['one', 'two 🙂'], ['three']])
    })

    it('stop when unsubscribed, and come again', async () => {
      const channel = unique()
      const heard: string[] = []
      const hear = (message: string): void => void heard.push(message)
      const stop = state.subscribe(channel, hear)
      const stopTwin = state.subscribe(channel, hear)
      stop()
      await state.publish(channel, 'one')
      await eventually(() => heard).toEqual(['one'])
      stopTwin()
      stopTwin()
      await state.publish(channel, 'two')
      // Unsubscribed and subscribed in one breath.
      state.subscribe(channel, hear)()
      state.subscribe(channel, hear)
      await state.get('x')
      await state.publish(channel, 'three')
      await eventually(() => heard).toEqual(['one', 'three'])
    })

    it('reach the others when one subscriber throws', async () => {
      const channel = unique()
      const heard: string[] = []
      state.subscribe(channel, () => {
        throw new Error('a listener that throws')
      })
      state.subscribe(channel, message => heard.push(message))
      await state.get('x')
      await state.publish(channel, 'one')
      await eventually(() => heard).toEqual(['one'])
    })
  })

  it('renews many leases at once', async () => {
    const key = unique()
    const ids = Array.from({ length: 1000 }, unique)
    await Promise.all(ids.map(id => state.reserve(id, [item(key, 10_000, { window: forever })], 5000)))
    await world.leap(4000)
    await state.renew(ids, 5000)
    await world.leap(4000)
    expect(await standOf(state, key)).toEqual([0, 1000])
    for (const id of ids) state.settle(id, [1])
    await settled(state)
    expect(await standOf(state, key)).toEqual([1000, 0])
  })
}
