import { describe, expect, it } from 'vitest'
import { type LoggedChoice, NotEnoughEvidence, policyValue } from './estimate.ts'

const models = 4

/** mulberry32 */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface World {
  readonly rows: LoggedChoice[]
  /** What the target would earn on these prompts. */
  readonly truth: number
}

/**
 * Prompts of differing difficulty, models of differing skill, a logger that is ε-greedy (0.1) by a bad guess, a target
 * that is greedy by a better one, predictions that are off by up to 0.15.
 */
function simulate(seed: number, count = 4000): World {
  const random = dice(seed)
  const rows: LoggedChoice[] = []
  let truth = 0
  for (let row = 0; row < count; row++) {
    const difficulty = random()
    const real = Array.from({ length: models }, (_, model) =>
      Math.min(0.98, Math.max(0.02, 0.95 - difficulty * (0.9 - 0.2 * model) + 0.15 * (random() - 0.5))),
    )
    const predicted = real.map(value => value + 0.3 * (random() - 0.5))
    const guess = real.map(value => value + 0.5 * (random() - 0.5))
    const greedy = guess.indexOf(Math.max(...guess))
    const target = predicted.indexOf(Math.max(...predicted))
    const action = random() < 0.1 ? Math.floor(random() * models) : greedy
    const propensity = 0.1 / models + (action === greedy ? 0.9 : 0)
    const reward = random() < (real[action] ?? 0) ? 1 : 0
    truth += (real[target] ?? 0) / count
    rows.push({ action, reward, propensity, predicted, target })
  }
  return { rows, truth }
}

describe('what a policy would have earned', () => {
  it('is within two standard errors of the truth in 95 of 100 logs, and steadier than by weights alone', () => {
    let within = 0
    let robustSpread = 0
    let ipsSpread = 0
    let bias = 0
    for (let seed = 1; seed <= 100; seed++) {
      const { rows, truth } = simulate(seed)
      const { doublyRobust, ips } = policyValue(rows, { minEffectiveRows: 100 })
      if (Math.abs(doublyRobust.value - truth) <= 2 * doublyRobust.standardError) within++
      bias += (doublyRobust.value - truth) / 100
      robustSpread += (doublyRobust.value - truth) ** 2
      ipsSpread += (ips.value - truth) ** 2
    }
    expect(within).toBeGreaterThanOrEqual(95)
    expect(Math.abs(bias)).toBeLessThan(0.005)
    expect(robustSpread).toBeLessThan(ipsSpread * 0.8)
  })

  it('needs propensities that are true: with false ones it is biased', () => {
    let outside = 0
    for (let seed = 1; seed <= 20; seed++) {
      const { rows, truth } = simulate(seed)
      const lied = rows.map(row => ({ ...row, propensity: 0.3, predicted: [0.5, 0.5, 0.5, 0.5] }))
      const { ips } = policyValue(lied)
      if (Math.abs(ips.value - truth) > 2 * ips.standardError) outside++
    }
    expect(outside).toBe(20)
  })

  it('is not told where too few rows speak of it', () => {
    const { rows } = simulate(1, 400)
    const deterministic = rows.map(row => ({ ...row, propensity: 1, target: (row.action + 1) % models }))
    expect(() => policyValue(deterministic)).toThrow(NotEnoughEvidence)
    expect(() => policyValue([])).toThrow(/no decisions/)
    expect(() => policyValue(rows.slice(0, 150))).toThrow(/200 are needed/)
    expect(() => policyValue(rows.slice(0, 150), { minEffectiveRows: 5 })).not.toThrow()
  })

  it('cuts weights that would decide alone, and says how many', () => {
    const rows: LoggedChoice[] = Array.from({ length: 300 }, () => ({
      action: 0,
      reward: 0.5,
      propensity: 1,
      predicted: [0.5, 0.5],
      target: 0,
    }))
    rows.push({ action: 0, reward: 1, propensity: 0.0001, predicted: [0.5, 0.5], target: 0 })
    const value = policyValue(rows, { maxWeight: 20, minEffectiveRows: 100 })
    expect(value.clipped).toBeCloseTo(1 / 301)
    expect(value.doublyRobust.value).toBeLessThan(0.54)
    expect(value.snips.value).toBeGreaterThan(0.5)
  })

  it('knows policies that choose by chance', () => {
    const { rows } = simulate(3)
    const uniform = rows.map(row => ({ ...row, target: Array.from({ length: models }, () => 1 / models) }))
    const { doublyRobust, direct } = policyValue(uniform)
    expect(Math.abs(doublyRobust.value - direct.value)).toBeLessThan(0.05)
  })
})
