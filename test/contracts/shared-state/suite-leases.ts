import { describe, expect, it } from 'vitest'
import { DuplicateLease, type LeaseResult } from '../../../src/platform/shared-state/shared-state.ts'
import { type At, forever, item, live, longTtl, perMinute, standOf, unique } from './world.ts'

const refusedItem = (result: LeaseResult): number | undefined => (result.granted ? undefined : result.item)

/** Reservations, settlements and what expires. */
export function leaseContract(at: At): void {
  describe('a reservation', () => {
    it('takes every item or none, and names the first that refuses', async () => {
      const [a, b, c, d] = [unique(), unique(), unique(), unique()]
      const items = [item(a, 5), item(b, 2), item(c, 1), item(d, 5, { window: perMinute })]
      const first = await at.state.reserve(unique(), items, longTtl)
      expect(first).toMatchObject({ granted: true, values: [1, 1, 1, 1].map(reserved => ({ used: 0, reserved })) })
      const second = await at.state.reserve(unique(), items, longTtl)
      expect(second).toMatchObject({ granted: false, item: 2, value: { used: 0, reserved: 1 } })
      expect(second.values).toMatchObject([1, 1, 1, 1].map(reserved => ({ used: 0, reserved })))
      const third = await at.state.reserve(unique(), [item(a, 5), item(c, 1), item(b, 0)], longTtl)
      expect(refusedItem(third)).toBe(1)
      expect(await standOf(at.state, a)).toEqual([0, 1])
      expect(await standOf(at.state, b)).toEqual([0, 1])
    })

    it('leaves nothing behind when refused, not even a window', async () => {
      const [free, full] = [unique(), unique()]
      const items = [item(free, 5, { window: perMinute }), item(full, 0, { window: perMinute })]
      const result = await at.state.reserve(unique(), items, longTtl)
      expect(refusedItem(result)).toBe(1)
      // When the window would end, had the call been let in.
      expect(result.values[1]).toEqual({ used: 0, reserved: 0, resetAt: at.world.now() + 60_000 })
      expect(await at.state.read([free, full])).toEqual(
        [0, 0].map(() => ({ used: 0, reserved: 0, resetAt: undefined })),
      )
      await at.world.leap(30_000)
      const later = await at.state.reserve(unique(), [item(free, 5, { window: perMinute })], longTtl)
      expect(later.values[0]?.resetAt).toBe(at.world.now() + 60_000)
    })

    it('grants exactly as many as fit, whoever asks at once', async () => {
      const key = unique()
      const other = await at.world.open()
      const results = await Promise.all(
        Array.from({ length: 1000 }, (_, i) =>
          (i % 2 === 0 ? at.state : other).reserve(unique(), [item(key, 100)], longTtl),
        ),
      )
      expect(results.filter(({ granted }) => granted)).toHaveLength(100)
      expect(await standOf(at.state, key)).toEqual([0, 100])
    })

    it('may overdraw while nothing else is reserved and something is left', async () => {
      const key = unique()
      const costly = (limit = 100) => [item(key, limit, { amount: 500, overdraft: true })]
      const first = unique()
      expect((await at.state.reserve(first, costly(), longTtl)).granted).toBe(true)
      expect((await at.state.reserve(unique(), costly(), longTtl)).granted).toBe(false)
      at.state.settle(first, [99])
      await at.state.flush()
      const second = unique()
      expect((await at.state.reserve(second, costly(), longTtl)).granted).toBe(true)
      at.state.settle(second, [41])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([140, 0])
      expect((await at.state.reserve(unique(), costly(), longTtl)).granted).toBe(false)
      expect((await at.state.reserve(unique(), costly(141), longTtl)).granted).toBe(true)
    })

    it('is not overdrawn where that is not allowed', async () => {
      const key = unique()
      expect((await at.state.reserve(unique(), [item(key, 100, { amount: 101 })], longTtl)).granted).toBe(false)
      expect((await at.state.reserve(unique(), [item(key, 100, { amount: 100 })], longTtl)).granted).toBe(true)
    })

    it('counts exactly up to 2^53, and without a limit', async () => {
      const key = unique()
      const most = Number.MAX_SAFE_INTEGER
      const id = unique()
      await at.state.reserve(id, [item(key, most, { amount: most })], longTtl)
      expect(await standOf(at.state, key)).toEqual([0, most])
      expect((await at.state.reserve(unique(), [item(key, most)], longTtl)).granted).toBe(false)
      at.state.settle(id, [most - 1])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([most - 1, 0])
      const counted = await at.state.reserve(unique(), [item(key, Number.POSITIVE_INFINITY)], longTtl)
      expect(counted).toMatchObject({ granted: true, values: [{ used: most - 1, reserved: 1 }] })
    })

    it('of an amount without bounds is refused, and ruins nothing', async () => {
      const key = unique()
      const amount = Number.POSITIVE_INFINITY
      for (const overdraft of [false, true]) {
        const wanted = [item(key, Number.POSITIVE_INFINITY, { amount, overdraft })]
        expect((await at.state.reserve(unique(), wanted, longTtl)).granted).toBe(false)
      }
      expect(await standOf(at.state, key)).toEqual([0, 0])
    })

    it('may have no items, and many', async () => {
      const none = unique()
      expect(await at.state.reserve(none, [], longTtl)).toEqual({ granted: true, values: [] })
      at.state.settle(none, [])
      const prefix = unique()
      const many = Array.from({ length: 300 }, (_, i) => item(`${prefix}:${i}`, 1, { amount: 1 }))
      const id = unique()
      expect((await at.state.reserve(id, many, longTtl)).values).toHaveLength(300)
      at.state.settle(
        id,
        many.map((_, i) => i),
      )
      await at.state.flush()
      expect(await standOf(at.state, `${prefix}:299`)).toEqual([299, 0])
    })

    it('counts a key that it names twice twice', async () => {
      const key = unique()
      const id = unique()
      const result = await at.state.reserve(id, [item(key, 5, { window: perMinute }), item(key, 5)], longTtl)
      expect(result.granted).toBe(true)
      expect(await standOf(at.state, key)).toEqual([0, 2])
      at.state.settle(id, [3, 4])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([7, 0])
    })

    it('that names a key twice is granted as often at once as one after another', async () => {
      const results: LeaseResult[][] = []
      for (const together of [false, true]) {
        const key = unique()
        const take = () => at.state.reserve(unique(), [item(key, 6, { amount: 2 }), item(key, 7)], longTtl)
        const asked = together
          ? await Promise.all([take(), take(), take()])
          : [await take(), await take(), await take()]
        results.push(asked)
      }
      expect(results[0]).toEqual(results[1])
      expect(results[0]?.map(({ granted }) => granted)).toEqual([true, true, false])
    })

    it('needs an id of its own', async () => {
      const key = unique()
      const id = unique()
      await at.state.reserve(id, [item(key, 5)], longTtl)
      const again = async () => at.state.reserve(id, [item(key, 5)], longTtl)
      await expect(again()).rejects.toBeInstanceOf(DuplicateLease)
      expect(await standOf(at.state, key)).toEqual([0, 1])
      at.state.settle(id, [1])
      await at.state.flush()
      expect((await again()).granted).toBe(true)
    })
  })

  describe('a settlement', () => {
    it('replaces what was reserved by what was used', async () => {
      const [tokens, money] = [unique(), unique()]
      const id = unique()
      await at.state.reserve(id, [item(tokens, 1000, { amount: 500 }), item(money, 1000, { amount: 500 })], longTtl)
      at.state.settle(id, [120, 700])
      await at.state.flush()
      expect(await standOf(at.state, tokens)).toEqual([120, 0])
      expect(await standOf(at.state, money)).toEqual([700, 0])
    })

    it('gives everything back without a use', async () => {
      const [a, b] = [unique(), unique()]
      const id = unique()
      await at.state.reserve(id, [item(a, 5, { amount: 3 }), item(b, 1, { window: live })], longTtl)
      at.state.settle(id, undefined)
      await at.state.flush()
      expect(await standOf(at.state, a)).toEqual([0, 0])
      expect(await standOf(at.state, b)).toEqual([0, 0])
    })

    it('counts once, whoever repeats it', async () => {
      const key = unique()
      const id = unique()
      const other = await at.world.open()
      await at.state.reserve(id, [item(key, 100, { amount: 10 })], longTtl)
      at.state.settle(id, [7])
      at.state.settle(id, [7])
      await at.state.flush()
      other.settle(id, [7])
      other.settle(id, undefined)
      await other.flush()
      expect(await standOf(at.state, key)).toEqual([7, 0])
    })

    it('of a lease that nobody knows changes nothing', async () => {
      at.state.settle(unique(), [1, 2, 3])
      at.state.settle(unique(), undefined)
      await at.state.flush()
    })

    it('never lowers a counter by a negative use, nor ruins it by one that is no number', async () => {
      const key = unique()
      for (const use of [5, -3, Number.NaN]) {
        const id = unique()
        await at.state.reserve(id, [item(key, 100)], longTtl)
        at.state.settle(id, [use])
      }
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([5, 0])
    })

    it('of calls in parallel leaves nothing used', async () => {
      const key = unique()
      const ids = [unique(), unique()]
      for (const id of ids) await at.state.reserve(id, [item(key, 2, { window: live })], longTtl)
      expect((await at.state.reserve(unique(), [item(key, 2, { window: live })], longTtl)).granted).toBe(false)
      at.state.settle(ids[0]!, [1])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([0, 1])
      at.state.settle(ids[1]!, [1])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([0, 0])
    })
  })

  describe('an expired lease', () => {
    it('gives everything back by itself, and a late settlement still counts once', async () => {
      const [a, b] = [unique(), unique()]
      const id = unique()
      await at.state.reserve(id, [item(a, 10, { amount: 10 }), item(b, 1, { window: live })], 5000)
      await at.world.leap(4999)
      expect(await standOf(at.state, a)).toEqual([0, 10])
      await at.world.leap(1)
      expect(await standOf(at.state, a)).toEqual([0, 0])
      expect(await standOf(at.state, b)).toEqual([0, 0])
      expect((await at.state.reserve(unique(), [item(b, 1, { window: live })], longTtl)).granted).toBe(true)
      at.state.settle(id, [4, 1])
      at.state.settle(id, [4, 1])
      await at.state.flush()
      expect(await standOf(at.state, a)).toEqual([4, 0])
      expect(await standOf(at.state, b)).toEqual([0, 1])
    })

    it('makes room for the reservation that finds it', async () => {
      const key = unique()
      await at.state.reserve(unique(), [item(key, 1)], 1000)
      await at.world.leap(1000)
      expect((await at.state.reserve(unique(), [item(key, 1)], longTtl)).granted).toBe(true)
    })

    it('is forgotten after an hour', async () => {
      const key = unique()
      const id = unique()
      await at.state.reserve(id, [item(key, 10)], 1000)
      await at.world.leap(1000)
      await at.state.read([key])
      await at.world.leap(3_600_000)
      await at.state.read([key])
      at.state.settle(id, [4])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([0, 0])
    })

    it('lives on when it is renewed, and is not revived', async () => {
      const key = unique()
      const [renewed, lost] = [unique(), unique()]
      await at.state.reserve(renewed, [item(key, 10, { amount: 1 })], 5000)
      await at.state.reserve(lost, [item(key, 10, { amount: 2 })], 5000)
      await at.world.leap(4000)
      await at.state.renew([renewed, unique()], 5000)
      await at.world.leap(4000)
      expect(await standOf(at.state, key)).toEqual([0, 1])
      await at.state.renew([lost, renewed], 5000)
      expect(await standOf(at.state, key)).toEqual([0, 1])
      await at.world.leap(5000)
      expect(await standOf(at.state, key)).toEqual([0, 0])
    })

    it('is found among many of different lives', async () => {
      const key = unique()
      // More different times to live than there are lists for.
      for (let i = 1; i <= 150; i++) await at.state.reserve(unique(), [item(key, 1000)], 1000 + ((i * 37) % 150))
      for (const [passed, expired] of [
        [1000, 1],
        [49, 50],
        [50, 100],
        [50, 150],
      ] as const) {
        await at.world.leap(passed)
        // A hundred at a time.
        await at.state.read([key])
        expect(await standOf(at.state, key)).toEqual([0, 150 - expired])
      }
    })
  })

  it('renews many leases at once', async () => {
    const key = unique()
    const ids = Array.from({ length: 1000 }, unique)
    await Promise.all(ids.map(id => at.state.reserve(id, [item(key, 10_000, { window: forever })], 5000)))
    await at.world.leap(4000)
    await at.state.renew(ids, 5000)
    await at.world.leap(4000)
    expect(await standOf(at.state, key)).toEqual([0, 1000])
    for (const id of ids) at.state.settle(id, [1])
    await at.state.flush()
    expect(await standOf(at.state, key)).toEqual([1000, 0])
  })
}
