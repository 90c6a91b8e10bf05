import { expect, it } from 'vitest'
import { Pace } from './pace.ts'

let now = 0
const pace = (room = 2e9): Pace => {
  now = 1_000_000
  return new Pace(room, () => now)
}

/** Of the time, what goes to the work. */
const share = (worked: number, rest: number): number => worked / (worked + rest)

it('works without rest while nobody writes', () => {
  const idle = pace()
  idle.observe(0)
  expect(idle.rest(5, 1e9)).toBe(0)
  idle.observe(100)
  expect(idle.rest(5, 100)).toBeGreaterThan(0)
  now += 10_000
  idle.observe(100)
  expect(idle.rest(5, 100)).toBe(0)
})

it('takes a small share of a core beside calls, and more the more waits', () => {
  const busy = pace()
  busy.observe(100)
  const shares = [0, 60e6, 100e6, 200e6, 256e6, 900e6].map(backlog => share(5, busy.rest(5, backlog)))
  expect(shares[0]).toBeCloseTo(0.05)
  expect(shares[1]).toBeCloseTo(0.05)
  expect(shares[5]).toBeCloseTo(0.5)
  expect(shares).toEqual([...shares].sort((a, b) => a - b))
})

it('hurries sooner where there is less room, and rests no more when half of it is taken', () => {
  const busy = pace(1e6)
  busy.observe(100)
  const shares = [0, 30e3, 80e3, 125e3, 499e3, 500e3].map(backlog => share(5, busy.rest(5, backlog)))
  expect(shares[1]).toBeCloseTo(0.05)
  expect(shares[2]).toBeGreaterThan(0.1)
  expect(shares[4]).toBeCloseTo(0.5)
  expect(shares[5]).toBe(1)
})

it('rests no longer than a second, whatever a batch took', () => {
  const busy = pace()
  busy.observe(100)
  expect(busy.rest(10_000, 0)).toBe(1000)
})
