import { expect, it } from 'vitest'
import { Pace } from './pace.ts'

let now = 0
const pace = (): Pace => {
  now = 1_000_000
  return new Pace(() => now)
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
  const shares = [0, 60e6, 100e6, 200e6, 256e6, 2e9].map(backlog => share(5, busy.rest(5, backlog)))
  expect(shares[0]).toBeCloseTo(0.05)
  expect(shares[1]).toBeCloseTo(0.05)
  expect(shares[5]).toBeCloseTo(0.5)
  expect(shares).toEqual([...shares].sort((a, b) => a - b))
})

it('rests no longer than a second, whatever a batch took', () => {
  const busy = pace()
  busy.observe(100)
  expect(busy.rest(10_000, 0)).toBe(1000)
})
