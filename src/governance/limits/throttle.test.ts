import { expect, it } from 'vitest'
import { Throttle } from './throttle.ts'

it('leaves a part of the rates while the budget is spent, and all of them otherwise', () => {
  const throttle = new Throttle(0.1)
  expect(throttle.rate(100, 0)).toBe(100)
  throttle.observe(99, 100, 1000)
  expect(throttle.rate(100, 0)).toBe(100)
  throttle.observe(100, 100, 1000)
  expect([throttle.rate(100, 0), throttle.rate(5, 0), throttle.rate(19, 999)]).toEqual([10, 1, 1])
  expect(throttle.rate(100, 1000), 'the next period').toBe(100)
  throttle.observe(0, 100, 2000)
  expect(throttle.rate(100, 0), 'reset by hand').toBe(100)
})

it('is not lifted by a call that knows less than the one before', () => {
  const throttle = new Throttle(0.5)
  throttle.spent(100, 100, undefined)
  throttle.spent(60, 100, undefined)
  expect(throttle.rate(10, Number.MAX_SAFE_INTEGER)).toBe(5)
})
