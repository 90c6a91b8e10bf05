import { describe, expect, it } from 'vitest'
import { alarms, rewardSettings, start, withValue } from './change-point.ts'
import { type DriftState, judged, newDrift, type WatchedDecision, withDecisions, withRewards } from './drift-state.ts'
import { stabilityIndex } from './psi.ts'

function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const settings = { window: 1000, inputPsi: 0.3 }
const clusters = 24
const trained = Array.from({ length: clusters }, (_, cluster) => 20 + 10 * (cluster % 7))

interface World {
  readonly errors?: number
  readonly badChecks?: number
  readonly length?: number
  readonly price?: number
  readonly novel?: number
  /** Share of calls that fall into one cluster alone. */
  readonly crowd?: number
}

function calls(random: () => number, count: number, model: string, world: World = {}): WatchedDecision[] {
  const total = trained.reduce((sum, size) => sum + size, 0)
  return Array.from({ length: count }, () => {
    const drawn = placeOf(trained, random() * total)
    const cluster = random() < (world.crowd ?? 0) ? 3 : drawn
    return {
      model,
      cluster,
      familiarity: random() < (world.novel ?? 0.04) ? 0.2 : 1,
      failed: random() < (world.errors ?? 0.02),
      checked: random() < (world.badChecks ?? 0.03) ? 0.5 : 1,
      outputTokens: Math.round((world.length ?? 200) * Math.exp(0.6 * (random() + random() + random() - 1.5))),
      priceRatio: (world.price ?? 1) * (0.95 + 0.1 * random()),
    }
  })
}

/** The cell in which a number from 0 to the sum of the weights falls. */
function placeOf(weights: readonly number[], number: number): number {
  let left = number
  for (const [place, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return place
  }
  return weights.length - 1
}

const look = (state: DriftState, decisions: readonly WatchedDecision[]): DriftState =>
  judged(withDecisions(state, decisions, trained, settings), settings, 1)
const signals = (state: DriftState): string[] => [
  ...new Set(state.alarms.map(({ signal, what }) => `${signal} ${what}`.trim())),
]

describe('drift', () => {
  it('is not seen where nothing changed, over 40 streams of 5,000 calls and 3,000 rewards', () => {
    let alarmed = 0
    for (let seed = 1; seed <= 40; seed++) {
      const random = dice(seed)
      let state = newDrift('a', 0)
      for (let batch = 0; batch < 20; batch++) {
        state = look(state, [...calls(random, 125, 'one'), ...calls(random, 125, 'two')])
        const rewards = Array.from({ length: 150 }, (_, reward) => ({
          model: 'one',
          cluster: reward % 6,
          residual: (random() < 0.7 ? 1 : 0) - 0.62,
        }))
        state = withRewards(state, rewards)
        state = judged(state, settings, 1)
      }
      if (state.alarms.length > 0) alarmed++
    }
    expect(alarmed).toBeLessThanOrEqual(2)
  })

  it.each([
    ['errors two', { errors: 0.25 }],
    ['checks two', { badChecks: 0.3 }],
    ['length two', { length: 520 }],
    ['length two', { length: 60 }],
    ['price two', { price: 1.4 }],
  ] as const)('%s is seen, of the model it concerns alone', (signal, changed) => {
    const random = dice(5)
    let state = newDrift('a', 0)
    for (let batch = 0; batch < 4; batch++)
      state = look(state, [...calls(random, 200, 'one'), ...calls(random, 200, 'two')])
    expect(signals(state)).toEqual([])
    for (let batch = 0; batch < 3; batch++) {
      state = look(state, [...calls(random, 200, 'one'), ...calls(random, 200, 'two', changed)])
    }
    expect(signals(state)).toContain(signal)
    expect(signals(state).filter(name => name.endsWith('one'))).toEqual([])
  })

  it.each([
    ['inputs', { crowd: 0.6 }],
    ['novelty', { novel: 0.6 }],
  ] as const)('of %s is seen', (signal, changed) => {
    const random = dice(6)
    let state = look(newDrift('a', 0), calls(random, 2000, 'one'))
    expect(signals(state)).toEqual([])
    state = look(state, calls(random, 3000, 'one', changed))
    expect(signals(state)).toContain(signal)
  })

  it('of a model that got worse is seen in the cell that noticed, soon, and only there', () => {
    const random = dice(7)
    let state = newDrift('a', 0)
    const give = (cell: number, rate: number): void => {
      state = withRewards(state, [{ model: 'one', cluster: cell, residual: (random() < rate ? 1 : 0) - 0.8 }])
    }
    for (let event = 0; event < 400; event++) for (const cell of [1, 2]) give(cell, 0.8)
    state = judged(state, settings, 1)
    expect(signals(state)).toEqual([])
    let events = 0
    while (signals(state).length === 0 && events < 400) {
      give(1, 0.4)
      give(2, 0.8)
      state = judged(state, settings, 1)
      events++
    }
    expect(signals(state)).toEqual(['reward one/1'])
    expect(events).toBeLessThan(150)
    // One that became better holds nothing up.
    const rising = Array.from({ length: 600 }, (_, event) => ({
      model: 'one',
      cluster: 1,
      residual: event < 300 ? -0.3 : 0.2,
    }))
    const better = withRewards(newDrift('a', 0), rising)
    expect(signals(judged(better, settings, 1))).toEqual([])
  })

  it('alarms once, and keeps its state in bounds', () => {
    const random = dice(8)
    let state = newDrift('a', 0)
    for (let batch = 0; batch < 6; batch++)
      state = look(state, calls(random, 200, 'one', batch < 2 ? {} : { errors: 0.5 }))
    expect(state.alarms.filter(({ signal }) => signal === 'errors')).toHaveLength(1)
    let many = newDrift('a', 0)
    for (let model = 0; model < 500; model++)
      many = withDecisions(many, calls(random, 1, `model-${model}`), trained, settings)
    expect(Object.keys(many.models).length).toBeLessThanOrEqual(64)
    many = withRewards(
      many,
      Array.from({ length: 3000 }, (_, cluster) => ({ model: 'm', cluster, residual: 0 })),
    )
    expect(Object.keys(many.cells).length).toBeLessThanOrEqual(2000)
  })
})

describe('the measures', () => {
  it('stability index is near 0 for chance and large for another population', () => {
    const random = dice(9)
    const draw = (weights: readonly number[], count: number): number[] => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const counts = weights.map(() => 0)
      for (let at = 0; at < count; at++) {
        counts[placeOf(weights, random() * total)]! += 1
      }
      return counts
    }
    for (let round = 0; round < 20; round++) {
      expect(stabilityIndex(draw(trained, 4000), draw(trained, 500))).toBeLessThan(0.1)
    }
    const often = trained.map(size => size * 100)
    expect(stabilityIndex(often, [...often].reverse())).toBeGreaterThan(0.15)
    expect(stabilityIndex([], [])).toBe(0)
    expect(stabilityIndex(trained, [])).toBe(0)
  })

  it('change point says which way', () => {
    let falling = start
    let rising = start
    for (let at = 0; at < 200; at++) {
      falling = withValue(falling, at < 100 ? 0 : -0.5, rewardSettings)
      rising = withValue(rising, at < 100 ? 0 : 0.5, rewardSettings)
    }
    expect(alarms(falling, rewardSettings)).toEqual({ fallen: true, risen: false })
    expect(alarms(rising, rewardSettings)).toEqual({ fallen: false, risen: true })
  })
})
