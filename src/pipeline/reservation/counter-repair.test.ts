import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import { StoreUnavailable } from '../../platform/store/store.ts'
import { CounterRepair } from './counter-repair.ts'
import { silent, TestClock } from './reservation.fixtures.ts'

const forever = { kind: 'forever' } as const
let clock: TestClock
let state: MemoryState
let booked: number
let repairs: CounterRepair[]

beforeEach(() => {
  vi.useFakeTimers()
  clock = new TestClock()
  state = new MemoryState({ clock })
  booked = 0
  repairs = []
})
afterEach(async () => {
  for (const repair of repairs) repair.close()
  await state.close()
  vi.useRealTimers()
})

const repair = (shipping?: () => boolean): CounterRepair => {
  const made = new CounterRepair(state, clock, silent, shipping)
  repairs.push(made)
  return made
}
const counter = (spent: () => Promise<number> = async () => booked) => ({ key: 'c', window: forever, spent })
const used = async (): Promise<number | undefined> => (await state.read(['c']))[0]?.used
const pass = async (ms: number): Promise<void> => {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.advance(250)
    await vi.advanceTimersByTimeAsync(250)
  }
}

describe('a budget counter that was started from the books', () => {
  it('is raised by the calls that had not arrived there, by one process of several', async () => {
    await state.assign([{ key: 'c', value: 500, window: forever }])
    for (const process of [repair(), repair(), repair()]) process.watch(counter())
    booked = 800
    await pass(10_000)
    expect(await used()).toBe(800)
    // Stragglers are found by a later look; then it is left alone.
    booked = 900
    await pass(60_000)
    expect(await used()).toBe(900)
    await pass(600_000)
    expect(repairs.map(({ size }) => size)).toEqual([0, 0, 0])
    expect(vi.getTimerCount(), 'the sweeper of the state is left').toBe(1)
  })

  it('is followed for as long as the calls of an outage are being shipped', async () => {
    repair().watch(counter())
    for (let shipped = 1; shipped <= 30; shipped++) {
      booked = shipped * 100
      await pass(3000)
      expect(await used()).toBeGreaterThanOrEqual(booked - 100)
    }
    await pass(3000)
    expect(await used()).toBe(3000)
  })

  it('is looked at when the books have what an outage of theirs kept back, however long that takes', async () => {
    let shipping = true
    repair(() => shipping).watch(counter())
    await pass(700_000)
    booked = 900
    expect(await used()).toBe(0)
    shipping = false
    await pass(3000)
    expect(await used()).toBe(900)
  })

  it('is not lowered: it has what calls have settled and the books will have', async () => {
    await state.assign([{ key: 'c', value: 500, window: forever }])
    repair().watch(counter())
    booked = 300
    await pass(10_000)
    expect(await used()).toBe(500)
  })

  it('is left alone when the object was reset between two readings of the books', async () => {
    const readings = [800, 0]
    repair().watch(counter(async () => readings.shift() ?? 0))
    await pass(3000)
    expect(await used()).toBe(0)
  })

  it('waits for books that are away', async () => {
    let away = true
    const spent = async (): Promise<number> => {
      if (away) throw new StoreUnavailable('gone')
      return 700
    }
    repair().watch(counter(spent))
    await pass(700_000)
    expect(await used()).toBe(0)
    away = false
    await pass(3000)
    expect(await used()).toBe(700)
  })

  it('of a window that has ended is forgotten', async () => {
    const own = repair()
    own.watch({ ...counter(), window: { kind: 'until', at: clock.epoch() + 500 } })
    booked = 700
    await pass(3000)
    expect([own.size, await used()]).toEqual([0, 0])
  })
})
