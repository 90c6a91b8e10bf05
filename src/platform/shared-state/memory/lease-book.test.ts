import { describe, expect, it } from 'vitest'
import { type LeaseItem, StateUnavailable, type Window } from '../shared-state.ts'
import { LeaseBook } from './lease-book.ts'

/** What is bounded; what counters and leases do is in test/contracts/shared-state.test.ts. */

const rate: Window = { kind: 'rate', ms: 1000 }
const item = (key: string, window: Window = rate, amount = 1): LeaseItem => ({
  key,
  window,
  limit: 10,
  amount,
  overdraft: false,
})

class TestClock {
  now = 1_000_000

  epoch(): number {
    return this.now
  }
}

describe('a full lease book', () => {
  it('makes room of windows that ended', () => {
    const clock = new TestClock()
    const book = new LeaseBook(clock, { maxCounters: 10 })
    for (let i = 0; i < 10; i++) book.reserve(`a${i}`, [item(`a${i}`)], 60_000)
    clock.now += 1000
    for (let i = 0; i < 10; i++) book.reserve(`b${i}`, [item(`b${i}`)], 60_000)
    expect(book.size.counters).toBe(10)
    // Counters that are gone take no harm from the leases that held them.
    for (let i = 0; i < 10; i++) book.settle(`a${i}`, [1])
    expect(book.read('a0')).toEqual({ used: 0, reserved: 0, resetAt: undefined })
    expect(book.read('b0')).toMatchObject({ used: 0, reserved: 1 })
  })

  it('then of rates that nothing holds, never of budgets or of what is held', () => {
    const book = new LeaseBook(new TestClock(), { maxCounters: 4 })
    book.add('budget', 5, { kind: 'forever' })
    book.add('idle', 5, rate)
    book.reserve('1', [item('held')], 60_000)
    book.reserve('2', [item('parallel', { kind: 'live' })], 60_000)
    expect(book.reserve('3', [item('new', { kind: 'live' })], 60_000)).toMatchObject({ granted: true })
    expect(book.read('idle').used).toBe(0)
    expect(book.read('budget').used).toBe(5)
    const before = book.size
    expect(() => book.reserve('4', [item('one too many')], 60_000)).toThrow(StateUnavailable)
    expect(() => book.add('one too many', 1, rate)).toThrow(StateUnavailable)
    expect(book.size).toEqual(before)
    // What is there already goes on.
    expect(book.reserve('5', [item('held'), item('budget', { kind: 'forever' })], 60_000)).toMatchObject({
      granted: true,
    })
  })

  it('forgets expired leases first, and takes no more than it may', () => {
    const clock = new TestClock()
    const book = new LeaseBook(clock, { maxLeases: 3 })
    for (const id of ['1', '2', '3']) book.reserve(id, [item('a')], 1000)
    expect(() => book.reserve('4', [item('a')], 1000)).toThrow(StateUnavailable)
    expect(book.read('a').reserved).toBe(3)
    clock.now += 1000
    for (const id of ['4', '5', '6']) book.reserve(id, [item('b')], 1000)
    expect(book.size.leases).toBe(3)
    expect(() => book.reserve('7', [item('b')], 1000)).toThrow(StateUnavailable)
  })
})

describe('sweeping', () => {
  it('forgets what is over, and late settlements after an hour', () => {
    const clock = new TestClock()
    const book = new LeaseBook(clock)
    book.reserve('1', [item('rate'), item('live', { kind: 'live' })], 500)
    book.reserve('2', [item('until', { kind: 'until', at: clock.now + 1000 })], 500)
    book.add('forever', 1, { kind: 'forever' })
    clock.now += 1000
    book.sweep()
    book.sweep()
    // A counter `until` stays a minute, for clocks that are late.
    expect(book.size).toEqual({ counters: 2, leases: 2 })
    clock.now += 60_000
    book.sweep()
    book.sweep()
    expect(book.size).toEqual({ counters: 1, leases: 2 })
    clock.now += 3_600_000
    book.sweep()
    expect(book.size).toEqual({ counters: 1, leases: 0 })
  })

  it('gives a crowd back that one call would not', () => {
    const clock = new TestClock()
    const book = new LeaseBook(clock)
    for (let i = 0; i < 1000; i++) book.reserve(String(i), [{ ...item('a', { kind: 'live' }), limit: 1000 }], 1000)
    clock.now += 1000
    expect(book.read('a').reserved).toBe(900)
    book.sweep()
    expect(book.read('a').reserved).toBe(0)
  })
})
