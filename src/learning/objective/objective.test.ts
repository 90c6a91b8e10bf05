import { describe, expect, it } from 'vitest'
import { choose, computeUtility, type Goal, order } from './choose.ts'
import { type Bounds, constrain, removeDominated, unbounded } from './constrain.ts'
import { expectedCost } from './expected-cost.ts'
import { type Explored, explore } from './explore.ts'
import { ScoreHistory } from './score-history.ts'
import { Scores } from './scores.ts'
import { solve, type Target } from './solve.ts'

/** mulberry32 */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Model {
  readonly name: string
  readonly quality: number
  readonly cost: number
  readonly latency: number
}

function pool(random: () => number, count = 2 + Math.floor(random() * 6)): Model[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `m${i}`,
    // Coarse numbers: ties are what goes wrong.
    quality: random() < 0.5 ? Math.round(random() * 10) / 10 : random(),
    cost: random() < 0.1 ? Number.NaN : random() < 0.3 ? 0.001 : random() / 100,
    latency: random() < 0.3 ? Number.NaN : random() * 5000,
  }))
}

function scored(models: readonly Model[]): Scores {
  const scores = new Scores(16)
  for (const { name, quality, cost, latency } of models) {
    const at = scores.add(name)
    scores.quality[at] = quality
    scores.cost[at] = cost
    scores.latency[at] = latency
  }
  return scores
}

const goal = (lambda: number, mu = 0, tie = 0.01): Goal => ({ lambda, mu, meanCost: 0.003, meanLatency: 1000, tie })

function chosen(models: readonly Model[], aim: Goal, bounds: Bounds = unbounded): Model | undefined {
  const scores = scored(models)
  constrain(scores, bounds)
  computeUtility(scores, aim)
  removeDominated(scores)
  const at = choose(scores, aim.tie)
  return at < 0 ? undefined : models.find(({ name }) => name === scores.names[at])
}

const known = (model: Model): boolean => !Number.isNaN(model.cost)

describe('the objective', () => {
  it('never costs more with a higher λ, in 10,000 random pools', () => {
    const random = dice(1)
    for (let run = 0; run < 10_000; run++) {
      const models = pool(random).filter(known)
      let before = Number.POSITIVE_INFINITY
      for (const lambda of [0, 0.05, 0.1, 0.3, 1, 3, 30]) {
        const cost = chosen(models, goal(lambda))?.cost ?? 0
        expect(cost, `run ${run}, λ ${lambda}`).toBeLessThanOrEqual(before)
        before = cost
      }
    }
  })

  it('never chooses what a constraint removed, in 10,000 random pools', () => {
    const random = dice(2)
    let refused = 0
    for (let run = 0; run < 10_000; run++) {
      const models = pool(random)
      const bounds: Bounds = {
        maxCost: random() < 0.5 ? random() / 200 : undefined,
        maxLatency: random() < 0.5 ? random() * 4000 : undefined,
        floor: random() < 0.5 ? { reference: 'm0', margin: random() / 2 } : undefined,
        minQuality: random() < 0.3 ? random() : undefined,
      }
      const scores = scored(models)
      const banned = models.filter(() => random() < 0.3).map(({ name }) => name)
      for (const [at, { name }] of models.entries()) if (banned.includes(name)) scores.remove(at, 'region')
      const left = constrain(scores, bounds)
      // The utility would like nothing better than what is forbidden.
      for (let i = 0; i < scores.count; i++) if (scores.removed[i] !== 0) scores.bonus[i] = 10
      computeUtility(scores, goal(random()))
      removeDominated(scores)
      const at = choose(scores, 0.01)
      expect(at < 0).toBe(left === 0)
      const places = new Int32Array(16)
      const length = order(scores, at, places)
      for (const place of places.subarray(0, length)) {
        const model = models[place] as Model
        expect(banned).not.toContain(model.name)
        if (bounds.maxCost !== undefined) expect(model.cost).toBeLessThanOrEqual(bounds.maxCost)
        if (bounds.maxLatency !== undefined && !Number.isNaN(model.latency)) {
          expect(model.latency).toBeLessThanOrEqual(bounds.maxLatency)
        }
        if (bounds.floor !== undefined) {
          expect(model.quality).toBeGreaterThanOrEqual((models[0]?.quality ?? 0) - bounds.floor.margin)
        }
        if (bounds.minQuality !== undefined) expect(model.quality).toBeGreaterThanOrEqual(bounds.minQuality)
      }
      if (left === 0) refused++
    }
    expect(refused).toBeGreaterThan(100)
  })

  it('does not depend on the order of the models', () => {
    const random = dice(3)
    for (let run = 0; run < 5000; run++) {
      const models = pool(random)
      const shuffled = [...models].sort(() => random() - 0.5)
      const aim = goal(random(), random() / 5)
      expect(chosen(shuffled, aim)?.name).toBe(chosen(models, aim)?.name)
    }
  })

  it('of equals takes the cheapest, then the fastest, whoever else is equal', () => {
    const equal = (name: string, cost: number, latency: number): Model => ({ name, quality: 0.7, cost, latency })
    const models = [equal('a', 0.002, 100), equal('b', 0.001, 900), equal('c', 0.001, 200)]
    expect(chosen(models, goal(0))?.name).toBe('c')
    // A row in which all are equal changes no choice between them.
    expect(chosen([...models, equal('d', 0.003, 50)], goal(0))?.name).toBe('c')
    const close = [{ ...models[0]!, quality: 0.7009 }, models[1]!]
    expect(chosen(close, goal(0, 0, 0.01))?.name).toBe('b')
    expect(chosen(close, goal(0, 0, 0.0001))?.name).toBe('a')
  })

  it('a price that changes moves choices towards the model that became cheaper, and never away', () => {
    const random = dice(4)
    let moved = 0
    for (let run = 0; run < 3000; run++) {
      const models = pool(random).filter(known)
      if (models.length < 2) continue
      const aim = goal(0.05 + random() / 2)
      const before = chosen(models, aim) as Model
      const cheaper = models[Math.floor(random() * models.length)] as Model
      // The unit of λ stays: it is a fact of the training data, not of today's price list.
      const after = chosen(
        models.map(model => (model === cheaper ? { ...model, cost: model.cost / 3 } : model)),
        aim,
      ) as Model
      if (before === cheaper) expect(after.name).toBe(cheaper.name)
      if (after.name !== before.name) {
        expect(after.name).toBe(cheaper.name)
        moved++
      }
    }
    expect(moved).toBeGreaterThan(100)
  })

  it('one model is chosen if it may be, whatever it costs', () => {
    const only: Model = { name: 'only', quality: 0, cost: Number.NaN, latency: Number.NaN }
    expect(chosen([only], goal(100, 100))?.name).toBe('only')
    expect(chosen([only], goal(0), { ...unbounded, maxCost: 1 })).toBeUndefined()
    expect(chosen([], goal(0))).toBeUndefined()
  })

  it('dominated models are not chosen but stand by, last', () => {
    const scores = scored([
      { name: 'worse', quality: 0.5, cost: 0.002, latency: 900 },
      { name: 'best', quality: 0.6, cost: 0.001, latency: 800 },
      { name: 'dear', quality: 0.9, cost: 0.05, latency: 900 },
    ])
    computeUtility(scores, goal(0.5))
    removeDominated(scores)
    const places = new Int32Array(8)
    const length = order(scores, choose(scores, 0.01), places)
    expect([...places.subarray(0, length)].map(at => scores.names[at])).toEqual(['best', 'dear', 'worse'])
    expect(scores.removedBy(0)).toBe('dominated')
  })

  it('prices what is in the prompt cache at the cached rate', () => {
    const prices = { input: 4, output: 10, cachedInput: 1 }
    expect(expectedCost(prices, { input: 100, cached: 0, output: 10 })).toBe(500)
    expect(expectedCost(prices, { input: 100, cached: 60, output: 10 })).toBe(320)
    expect(expectedCost(prices, { input: 100, cached: 500, output: 0 })).toBe(100)
  })
})

describe('exploration', () => {
  it('draws from the safe set as often as its propensities say, and never from outside', () => {
    const scores = scored([
      { name: 'best', quality: 0.9, cost: 0, latency: 1 },
      { name: 'near', quality: 0.85, cost: 0, latency: 1 },
      { name: 'far', quality: 0.2, cost: 0, latency: 1 },
      { name: 'banned', quality: 0.9, cost: 0, latency: 1 },
    ])
    scores.remove(3, 'region')
    computeUtility(scores, goal(0))
    const random = dice(5)
    const into: Explored = { index: 0, explored: false, propensity: 1 }
    const counts = [0, 0, 0, 0]
    let inverse = 0
    const runs = 40_000
    for (let run = 0; run < runs; run++) {
      // More than 5 % is asked for; 5 % is what is drawn.
      explore(scores, 0, { share: 0.9, regret: 0.1 }, random, into)
      counts[into.index]!++
      expect(into.propensity).toBeCloseTo(into.index === 0 ? 0.975 : 0.025, 12)
      expect(into.explored).toBe(into.index !== 0)
      if (into.index === 1) inverse += 1 / into.propensity
    }
    expect(counts[2]).toBe(0)
    expect(counts[3]).toBe(0)
    // Weighted by 1/p, an arm drawn 2.5 % of the time stands for all calls: ±6 standard deviations.
    expect(Math.abs(inverse / runs - 1)).toBeLessThan(6 * Math.sqrt(0.975 / 0.025 / runs))
  })

  it('leaves a lone candidate and a share of 0 alone', () => {
    const scores = scored([{ name: 'only', quality: 0.9, cost: 0, latency: 1 }])
    computeUtility(scores, goal(0))
    const into: Explored = { index: 0, explored: true, propensity: 0 }
    explore(scores, 0, { share: 0.05, regret: 1 }, () => 0, into)
    expect(into).toEqual({ index: 0, explored: false, propensity: 1 })
  })
})

describe('targets', () => {
  /** Calls of which some need the strong model and some do not. */
  function history(): ScoreHistory {
    const random = dice(6)
    const kept = new ScoreHistory(512, 4)
    for (let call = 0; call < 400; call++) {
      const hard = random()
      kept.add(
        scored([
          { name: 'weak', quality: 0.9 - 0.6 * hard, cost: 0.0002, latency: 1 },
          { name: 'middle', quality: 0.9 - 0.3 * hard, cost: 0.002, latency: 1 },
          { name: 'strong', quality: 0.93, cost: 0.01 + random() / 100, latency: 1 },
        ]),
      )
    }
    return kept
  }

  it.each([20, 8, 3, 1, 0.3])('$%d per 1k is kept, with little left over', dollars => {
    const target: Target = { kind: 'max_cost_per_1k', dollars }
    const solution = solve(target, history(), goal(0))
    expect(solution.met).toBe(true)
    expect(solution.cost * 1000).toBeLessThanOrEqual(dollars)
    if (solution.lambda > 0) expect(solution.cost * 1000).toBeGreaterThan(dollars * 0.7)
  })

  it('says when not even the cheapest model is cheap enough', () => {
    expect(solve({ kind: 'max_cost_per_1k', dollars: 0.1 }, history(), goal(0)).met).toBe(false)
  })

  it.each([0.99, 0.95, 0.9, 0.7])('%d of the strong model’s quality is kept, at less cost the lower it is', share => {
    const kept = history()
    const solution = solve({ kind: 'min_quality_of', model: 'strong', share }, kept, goal(0))
    expect(solution.quality).toBeGreaterThanOrEqual(share * 0.93)
    const stricter = solve({ kind: 'min_quality_of', model: 'strong', share: share + 0.005 }, kept, goal(0))
    expect(solution.cost).toBeLessThanOrEqual(stricter.cost)
  })

  it.each([0, 0.1, 0.3, 0.5])('a strong share of %d is kept and used', share => {
    const solution = solve({ kind: 'max_strong_share', model: 'strong', share }, history(), goal(0, 0, 0))
    expect(solution.strongShare).toBeLessThanOrEqual(share + 1e-9)
    expect(solution.strongShare).toBeGreaterThan(share - 0.05)
  })

  it('forgets old calls', () => {
    const kept = new ScoreHistory(8, 4)
    for (let call = 0; call < 20; call++) {
      kept.add(scored([{ name: call < 12 ? 'old' : 'new', quality: 1, cost: 1, latency: 1 }]))
    }
    expect(kept.size).toBe(8)
    const scores = new Scores(4)
    for (let row = 0; row < 8; row++) {
      kept.read(row, scores)
      expect(scores.names).toEqual(['new'])
    }
  })
})
