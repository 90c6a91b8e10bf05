import { describe, expect, test } from 'vitest'
import { discountsCachedInput, preferByPrefix } from './affinity.ts'
import { candidate, deployment, price, seededRandom } from './routing.fixtures.ts'
import type { Candidate } from './types.ts'

const make = (count: number, inFlight: readonly number[] = []) =>
  Array.from({ length: count }, (_, i) => candidate(deployment(`d${i}`), { inFlight: inFlight[i] ?? 0 }))

function pick(candidates: readonly Candidate[], hash: number): string | undefined {
  const choice = preferByPrefix(candidates, candidates.length, hash, candidates[0]?.deployment)
  return choice === undefined ? undefined : candidates[choice.index]?.deployment.id
}

test('a discount is a cached price below the fresh one', () => {
  expect(discountsCachedInput(deployment('a', { price: price(10, 20, 1) }))).toBe(true)
  expect(discountsCachedInput(deployment('a', { price: price(10, 20) }))).toBe(false)
  expect(discountsCachedInput(deployment('a', { price: price(undefined) }))).toBe(false)
  expect(discountsCachedInput(deployment('a'))).toBe(false)
})

describe('rendezvous', () => {
  const random = seededRandom(4)
  const hashes = Array.from({ length: 6000 }, () => Math.floor(random() * 2 ** 32))

  test('one prefix, one deployment, in whatever order they are ranked; prefixes spread evenly', () => {
    const all = make(4)
    const wins = new Map<string, number>()
    for (const hash of hashes) {
      const chosen = pick(all, hash)!
      expect(pick([...all].reverse(), hash)).toBe(chosen)
      wins.set(chosen, (wins.get(chosen) ?? 0) + 1)
    }
    for (const count of wins.values()) expect(Math.abs(count / hashes.length - 0.25)).toBeLessThan(0.03)
  })

  test('a deployment that leaves moves only its own prefixes', () => {
    const all = make(4)
    const rest = all.slice(0, 3)
    for (const hash of hashes) {
      const before = pick(all, hash)
      if (before !== 'd3') expect(pick(rest, hash)).toBe(before)
    }
  })

  test('keeps to the weights; weight 0 is never chosen', () => {
    const weighted = [1, 3, 0].map((weight, i) => candidate(deployment(`d${i}`, { weight })))
    const share = hashes.filter(hash => pick(weighted, hash) === 'd1').length / hashes.length
    expect(Math.abs(share - 0.75)).toBeLessThan(0.03)
    expect(hashes.some(hash => pick(weighted, hash) === 'd2')).toBe(false)
  })

  test('the load of a hot prefix is bounded by 1.25 × the mean, plus one', () => {
    const load = [0, 0, 0, 0]
    let spilled = 0
    for (let i = 1; i <= 400; i++) {
      const all = make(4, load)
      const choice = preferByPrefix(all, 4, 12345, all[0]?.deployment)!
      if (choice.spilled) spilled++
      load[choice.index]! += 1
      expect(Math.max(...load)).toBeLessThanOrEqual(1.25 * (i / 4) + 2)
    }
    expect(spilled).toBeGreaterThan(0)
  })

  test('has nothing to say about one candidate', () => {
    expect(pick(make(1), 1)).toBeUndefined()
    expect(preferByPrefix(make(3), 1, 1, undefined)).toBeUndefined()
  })
})
