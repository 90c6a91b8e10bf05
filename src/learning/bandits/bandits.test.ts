import { describe, expect, it } from 'vitest'
import { bucketOf } from '../experiments/sticky.ts'
import { linearMean } from './linear-mean.ts'
import { decodeFeatures, LinearArm } from './linucb.ts'
import {
  emptyCell,
  posteriorDefaults,
  posteriorMean,
  posteriorVariance,
  withCorrection,
  withEvent,
} from './posterior.ts'
import { explore } from './thompson.ts'

function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

describe('a cell', () => {
  const cellAfter = (events: number, reward: number) => {
    let cell = emptyCell
    for (let event = 0; event < events; event++) cell = withEvent(cell, reward, 1)
    return cell
  }

  it('is not heard before twenty events, and then moves the prediction step by step', () => {
    expect(posteriorMean(0.7, cellAfter(19, 0))).toBe(0.7)
    expect(posteriorMean(0.7, cellAfter(20, 0))).toBeLessThan(0.7)
    expect(posteriorMean(0.7, cellAfter(20, 1))).toBeGreaterThan(0.7)
    expect(posteriorMean(0.7, cellAfter(20, 0.7))).toBeCloseTo(0.7)
  })

  it('never moves it further than allowed, whoever sends how much', () => {
    expect(posteriorMean(0.7, cellAfter(100_000, 0))).toBeCloseTo(0.7 - posteriorDefaults.maxShift)
    expect(posteriorMean(0.1, cellAfter(100_000, 1))).toBeCloseTo(0.3)
  })

  it('forgets: what counts is bounded, and the newest counts most', () => {
    const long = cellAfter(50_000, 1)
    expect(long.weight).toBeLessThan(1001)
    let turned = cellAfter(2000, 1)
    for (let event = 0; event < 2000; event++) turned = withEvent(turned, 0, 1)
    expect(turned.reward / turned.weight).toBeLessThan(0.2)
  })

  it('takes a correction back, within what it holds', () => {
    const cell = withEvent(emptyCell, 1, 1)
    expect(withCorrection(cell, -1).reward).toBe(0)
    expect(withCorrection(cell, -5).reward).toBe(0)
    expect(withCorrection(cell, 5).reward).toBe(1)
  })

  it('is surer with more events', () => {
    expect(posteriorVariance(0.5, cellAfter(200, 0.5))).toBeLessThan(posteriorVariance(0.5, undefined))
  })
})

describe('exploration', () => {
  const arm = (mean: number, variance = 0.004, penalty = 0) => ({ mean, variance, penalty })

  it('takes the best where there is no chance to be given', () => {
    const arms = [arm(0.6), arm(0.7), arm(0.65)]
    expect(explore(arms, { share: 0, maxRegret: 1 }, dice(1))).toEqual({ index: 1, explored: false, propensity: 1 })
    expect(explore([arm(0.1)], { share: 1, maxRegret: 1 }, dice(1)).index).toBe(0)
    // Of equals the cheaper one.
    expect(explore([arm(0.8, 0, 0.1), arm(0.7)], { share: 0, maxRegret: 1 }, dice(1)).index).toBe(0)
    expect(explore([arm(0.7, 0, 0.1), arm(0.6)], { share: 0, maxRegret: 1 }, dice(1)).index).toBe(1)
  })

  it('never tries what is predicted to be too much worse', () => {
    const random = dice(2)
    for (let call = 0; call < 2000; call++) {
      const { index } = explore([arm(0.7, 0.2), arm(0.69, 0.2), arm(0.3, 0.2)], { share: 1, maxRegret: 0.1 }, random)
      expect(index).not.toBe(2)
    }
  })

  it('names propensities that are true', () => {
    const random = dice(3)
    const arms = [arm(0.7), arm(0.66), arm(0.6)]
    const weights = [0, 0, 0]
    const calls = 20_000
    for (let call = 0; call < calls; call++) {
      const { index, propensity } = explore(arms, { share: 0.3, maxRegret: 0.5 }, random)
      weights[index]! += 1 / propensity / calls
    }
    // E[1(a)/p] is 1 for each arm that can be chosen.
    for (const weight of weights) expect(weight).toBeGreaterThan(0.9)
    for (const weight of weights) expect(weight).toBeLessThan(1.1)
  })

  it('explores as much as it may and not more', () => {
    const random = dice(4)
    let explored = 0
    for (let call = 0; call < 10_000; call++) {
      if (explore([arm(0.7), arm(0.7), arm(0.7)], { share: 0.05, maxRegret: 1 }, random).explored) explored++
    }
    expect(explored / 10_000).toBeLessThanOrEqual(0.05)
    expect(explored / 10_000).toBeGreaterThan(0.02)
  })

  it('finds out who is better: the posterior follows the rewards', () => {
    const random = dice(5)
    const truth = [0.55, 0.75]
    const predicted = [0.7, 0.65]
    const cells = [emptyCell, emptyCell]
    let late = 0
    for (let call = 0; call < 6000; call++) {
      const arms = cells.map((cell, model) => {
        const mean = posteriorMean(predicted[model]!, cell)
        return arm(mean, posteriorVariance(mean, cell))
      })
      const { index } = explore(arms, { share: 0.1, maxRegret: 0.2 }, random)
      cells[index] = withEvent(cells[index]!, random() < truth[index]! ? 1 : 0, 1)
      if (call >= 5000 && index === 1) late++
    }
    expect(late).toBeGreaterThan(900)
  })
})

describe('a linear arm', () => {
  const random = dice(7)
  const vector = (): number[] => [1, random() - 0.5, random() - 0.5, random() - 0.5]
  const truth = [0.5, 0.6, -0.4, 0]

  it('learns a line, and is surer where it has been', () => {
    const learnt = new LinearArm(4)
    for (let event = 0; event < 3000; event++) {
      const x = vector()
      learnt.update(x, x.reduce((sum, value, at) => sum + value * truth[at]!, 0) + 0.1 * (random() - 0.5))
    }
    const x = [1, 0.3, -0.2, 0.1]
    const { mean, width } = learnt.score(x)
    expect(mean).toBeCloseTo(0.5 + 0.18 + 0.08, 1)
    expect(width).toBeLessThan(new LinearArm(4).score(x).width / 10)
    const again = LinearArm.decode(learnt.encode(), learnt.events)
    expect(again.score(x).mean).toBeCloseTo(mean, 2)
    expect(again.events).toBe(3000)
  })

  it('moves a prediction as a cell does, and no further, and only where it has been', () => {
    const learnt = new LinearArm(2)
    let cell = emptyCell
    for (let event = 0; event < 40; event++) {
      learnt.update([1, 0], 0.2)
      cell = withEvent(cell, 0.2, 1, 1)
    }
    const moved = (x: readonly number[]): number => linearMean(0.35, learnt.score(x), x)
    expect(moved([1, 0])).toBeCloseTo(posteriorMean(0.35, cell), 6)
    expect(moved([0, 1])).toBeCloseTo(0.35, 6)
    expect(linearMean(0.9, learnt.score([1, 0]), [1, 0])).toBeCloseTo(0.7)
    expect(linearMean(0.9, new LinearArm(2).score([0, 0]), [0, 0])).toBe(0.9)
  })

  it('takes a correction back as if it had never been otherwise', () => {
    const corrected = new LinearArm(2)
    const right = new LinearArm(2)
    corrected.update([1, 0.5], 1, 0.5)
    corrected.correct([1, 0.5], 0.5 * -1)
    right.update([1, 0.5], 0, 0.5)
    expect(corrected.score([1, 0]).mean).toBeCloseTo(right.score([1, 0]).mean)
  })

  it('forgets where it is told to', () => {
    const learnt = new LinearArm(1)
    for (let event = 0; event < 500; event++) learnt.update([1], 1, 1, 0.99)
    for (let event = 0; event < 500; event++) learnt.update([1], 0, 1, 0.99)
    expect(learnt.score([1]).mean).toBeLessThan(0.1)
  })

  it('refuses a state that is not its own', () => {
    expect(() => LinearArm.decode('AAAA', 0)).toThrow(RangeError)
    expect(LinearArm.decode(new LinearArm(3).encode(), 0).dims).toBe(3)
    expect(decodeFeatures('AAA')).toBeUndefined()
    expect(decodeFeatures(Buffer.from(Float32Array.of(1, 2).buffer).toString('base64'))).toEqual(Float32Array.of(1, 2))
  })
})

describe('a sticky bucket', () => {
  it('is even, stays, and differs from salt to salt', () => {
    const keys = Array.from({ length: 20_000 }, (_, index) => `session-${index}`)
    const under = (salt: string, share: number): Set<string> => new Set(keys.filter(key => bucketOf(salt, key) < share))
    expect(under('a', 0.01).size / keys.length).toBeCloseTo(0.01, 2)
    expect(under('a', 0.25).size / keys.length).toBeCloseTo(0.25, 1)
    // Who is in the canary at 1 % is in it at 5 %.
    const five = under('a', 0.05)
    for (const key of under('a', 0.01)) expect(five.has(key)).toBe(true)
    const both = [...under('a', 0.5)].filter(key => bucketOf('b', key) < 0.5).length
    expect(both / keys.length).toBeCloseTo(0.25, 1)
  })
})
