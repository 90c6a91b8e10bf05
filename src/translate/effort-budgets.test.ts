import { expect, it } from 'vitest'
import { effortOfBudget } from './effort-budgets.ts'

it.each([
  [0, 'minimal'],
  [1023, 'minimal'],
  [1024, 'low'],
  [2047, 'low'],
  [2048, 'medium'],
  [4095, 'medium'],
  [4096, 'high'],
  [100_000, 'high'],
])('a budget of %i tokens is %s effort', (budget, effort) => {
  expect(effortOfBudget(budget)).toBe(effort)
})
