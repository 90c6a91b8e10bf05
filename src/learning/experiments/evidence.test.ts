import { describe, expect, it } from 'vitest'
import { logEvidenceOfDifference, logEvidenceOfLess, logEvidenceOfMore, logGamma } from './evidence.ts'

function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const alarm = Math.log(1 / 0.05)

/** Looks every `every` calls. @returns calls of the candidate when it first alarmed; undefined: never */
function watch(
  seed: number,
  rates: { readonly control: number; readonly candidate: number; readonly share: number },
  calls: number,
  margin: number,
  every = 25,
): number | undefined {
  const random = dice(seed)
  const control = { n: 0, sum: 0 }
  const candidate = { n: 0, sum: 0 }
  for (let call = 1; call <= calls; call++) {
    const arm = random() < rates.share ? candidate : control
    arm.n++
    if (random() < (arm === candidate ? rates.candidate : rates.control)) arm.sum++
    if (call % every === 0 && logEvidenceOfMore(control, candidate, margin) > alarm) return candidate.n
  }
  return undefined
}

describe('evidence', () => {
  it.each([
    { control: 0.02, candidate: 0.02, share: 0.05 },
    { control: 0.3, candidate: 0.3, share: 0.25 },
    { control: 0.001, candidate: 0.001, share: 0.5 },
  ])('is seen where there is no difference in 5 of 100 at most, however often one looks: %o', rates => {
    let alarms = 0
    for (let seed = 1; seed <= 200; seed++) if (watch(seed, rates, 2500, 0) !== undefined) alarms++
    expect(alarms / 200).toBeLessThanOrEqual(0.05)
  })

  it('is seen soon where there is one', () => {
    const needed: number[] = []
    for (let seed = 1; seed <= 40; seed++) {
      const calls = watch(seed, { control: 0.02, candidate: 0.2, share: 0.1 }, 6000, 0.01)
      expect(calls).toBeDefined()
      needed.push(calls ?? Number.POSITIVE_INFINITY)
    }
    needed.sort((a, b) => a - b)
    expect(needed[20]).toBeLessThan(120)
  })

  it('does not count a difference that is allowed', () => {
    let alarms = 0
    for (let seed = 1; seed <= 60; seed++) {
      if (watch(seed, { control: 0.1, candidate: 0.14, share: 0.25 }, 4000, 0.05) !== undefined) alarms++
    }
    expect(alarms).toBeLessThanOrEqual(3)
  })

  it('counts rewards between no and yes', () => {
    const better = { n: 400, sum: 300.5 }
    const worse = { n: 200, sum: 90.25 }
    expect(logEvidenceOfLess(better, worse)).toBeGreaterThan(10)
    expect(logEvidenceOfLess(worse, better)).toBeLessThan(0)
    expect(logEvidenceOfDifference(better, worse)).toBeCloseTo(logEvidenceOfDifference(worse, better))
    expect(logEvidenceOfDifference({ n: 400, sum: 200 }, { n: 200, sum: 100 })).toBeLessThan(0)
  })

  it('is none without calls, and defined at the edges', () => {
    expect(logEvidenceOfMore({ n: 0, sum: 0 }, { n: 10, sum: 10 })).toBe(0)
    for (const control of [0, 50, 100]) {
      for (const candidate of [0, 50, 100]) {
        for (const margin of [0, 0.05, 1]) {
          const log = logEvidenceOfMore({ n: 100, sum: control }, { n: 100, sum: candidate }, margin)
          expect(Number.isFinite(log)).toBe(true)
        }
      }
    }
    expect(logEvidenceOfMore({ n: 100, sum: 0 }, { n: 100, sum: 100 })).toBeGreaterThan(100)
  })

  it('stands on a gamma function that is right', () => {
    expect(logGamma(10)).toBeCloseTo(Math.log(362_880), 10)
    expect(logGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 10)
    expect(logGamma(1e5)).toBeCloseTo(1e5 * Math.log(1e5) - 1e5 - 0.5 * Math.log(1e5 / (2 * Math.PI)) + 1 / 12e5, 4)
  })
})
