import { describe, expect, it } from 'vitest'
import {
  type LeaseResult,
  type SharedState,
  StateUnavailable,
  type Window,
} from '../../../src/platform/shared-state/shared-state.ts'
import { type At, item, longTtl, perMinute, standOf, unique } from './world.ts'

const refusedItem = (result: LeaseResult): number | undefined => (result.granted ? undefined : result.item)

/** Windows, seeds, and counters outside of calls. */
export function counterContract(at: At): void {
  describe('a window', () => {
    it('of a rate begins with its first use and counts anew after its end', async () => {
      const key = unique()
      const take = () => at.state.reserve(unique(), [item(key, 2, { window: perMinute })], 3_000_000)
      const first = await take()
      const end = at.world.now() + 60_000
      expect(first.values[0]).toEqual({ used: 0, reserved: 1, resetAt: end })
      await at.world.leap(59_999)
      expect((await take()).values[0]).toEqual({ used: 0, reserved: 2, resetAt: end })
      expect(await take()).toMatchObject({ granted: false, value: { used: 0, reserved: 2, resetAt: end } })
      await at.world.leap(1)
      expect(await at.state.read([key])).toEqual([{ used: 0, reserved: 0, resetAt: undefined }])
      expect((await take()).values[0]).toEqual({ used: 0, reserved: 1, resetAt: end + 60_000 })
    })

    it('takes with it what was reserved in it, and settlements of its calls no longer count', async () => {
      const key = unique()
      const [old, young] = [unique(), unique()]
      const items = [item(key, 10, { window: perMinute, amount: 4 })]
      await at.state.reserve(old, items, 3_000_000)
      await at.world.leap(60_000)
      await at.state.reserve(young, items, 3_000_000)
      expect(await standOf(at.state, key)).toEqual([0, 4])
      at.state.settle(old, [9])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([0, 4])
      at.state.settle(young, [2])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([2, 0])
    })

    it('until a moment begins anew for the use that knows of a later one', async () => {
      const key = unique()
      const midnight = at.world.now() + 100_000
      const take = (end: number) =>
        at.state.reserve(unique(), [item(key, 2, { window: { kind: 'until', at: end } })], 3_000_000)
      await take(midnight)
      // A later end known before the first is over changes nothing yet.
      expect((await take(midnight + 1)).values[0]).toEqual({ used: 0, reserved: 2, resetAt: midnight })
      await at.world.leap(100_000)
      // A process whose clock is late still counts in the old window.
      expect(refusedItem(await take(midnight))).toBe(0)
      const next = await take(midnight + 86_400_000)
      expect(next.values[0]).toEqual({ used: 0, reserved: 1, resetAt: midnight + 86_400_000 })
      expect((await take(midnight)).values[0]).toMatchObject({ reserved: 2, resetAt: midnight + 86_400_000 })
    })

    it('that never ends goes on', async () => {
      const key = unique()
      const id = unique()
      await at.state.reserve(id, [item(key, 10)], longTtl)
      at.state.settle(id, [3])
      await at.state.flush()
      await at.world.leap(10 * 86_400_000)
      expect(await at.state.read([key])).toEqual([{ used: 3, reserved: 0, resetAt: undefined }])
    })

    it('is not bound to a clock that stepped back', async () => {
      const key = unique()
      const take = () => at.state.reserve(unique(), [item(key, 1, { window: perMinute })], 3_000_000)
      await take()
      await at.world.leap(-30_000_000)
      expect((await take()).values[0]).toEqual({ used: 0, reserved: 1, resetAt: at.world.now() + 60_000 })
      await at.world.leap(30_000_000)
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
      const first = await at.state.reserve(unique(), items, longTtl)
      expect(first).toMatchObject({ granted: true, values: [{ used: 0 }, { used: 70, reserved: 20 }] })
      const second = await at.state.reserve(unique(), items, longTtl)
      expect(second).toMatchObject({ granted: false, item: 1, value: { used: 70, reserved: 20 } })
      expect(asked).toBe(1)
    })

    it('can refuse', async () => {
      const key = unique()
      const result = await at.state.reserve(unique(), [item(key, 50, { seed: async () => 50 })], longTtl)
      expect(result).toMatchObject({ granted: false, item: 0, value: { used: 50, reserved: 0 } })
    })

    it('is not added up when several ask at once', async () => {
      const key = unique()
      const other = await at.world.open()
      const take = (by: SharedState) => by.reserve(unique(), [item(key, 1000, { seed: async () => 100 })], longTtl)
      await Promise.all([at.state, other, at.state, other, at.state, other].map(take))
      expect(await standOf(at.state, key)).toEqual([100, 6])
    })

    it('that cannot be had makes the state unavailable for the call', async () => {
      const key = unique()
      const cause = new Error('the store is away')
      const seed = async (): Promise<number> => {
        throw cause
      }
      const failing = (async () => at.state.reserve(unique(), [item(key, 5, { seed })], longTtl))()
      await expect(failing).rejects.toBeInstanceOf(StateUnavailable)
      await expect(failing).rejects.toMatchObject({ cause })
      expect(await standOf(at.state, key)).toEqual([0, 0])
    })

    it('that is no use counts as 0', async () => {
      for (const value of [-5, Number.NaN]) {
        const result = await at.state.reserve(unique(), [item(unique(), 5, { seed: async () => value })], longTtl)
        expect(result).toMatchObject({ granted: true, values: [{ used: 0, reserved: 1 }] })
      }
    })
  })

  describe('counters outside of calls', () => {
    it('are added to and set, leases kept', async () => {
      const key = unique()
      const window: Window = { kind: 'until', at: at.world.now() + 50_000 }
      await at.state.add([{ key, amount: 30, window }])
      expect(await at.state.read([key])).toEqual([{ used: 30, reserved: 0, resetAt: window.at }])
      const id = unique()
      await at.state.reserve(id, [item(key, 100, { amount: 20, window })], longTtl)
      await at.state.assign([{ key, value: 5, window: { kind: 'until', at: window.at + 1 } }])
      expect(await at.state.read([key])).toEqual([{ used: 5, reserved: 20, resetAt: window.at }])
      await at.state.add([
        { key, amount: 2, window },
        { key, amount: -100, window },
      ])
      expect(await standOf(at.state, key)).toEqual([0, 20])
      at.state.settle(id, [8])
      await at.state.flush()
      expect(await standOf(at.state, key)).toEqual([8, 0])
      await at.world.leap(50_000)
      await at.state.add([{ key, amount: 1, window: { kind: 'until', at: window.at + 100_000 } }])
      expect(await at.state.read([key])).toEqual([{ used: 1, reserved: 0, resetAt: window.at + 100_000 }])
    })

    it('that are absent are 0', async () => {
      const nothing = { used: 0, reserved: 0, resetAt: undefined }
      expect(await at.state.read([unique(), unique()])).toEqual([nothing, nothing])
      expect(await at.state.read([])).toEqual([])
    })
  })
}
