import { describe, expect, it } from 'vitest'
import type { Dataset, Row } from '../dataset.ts'
import { bootstrap } from './bootstrap.ts'
import { calibration } from './calibration.ts'
import { aiq, choose, costFor, heightAt, hull, lambdas, type Predictions } from './curve.ts'
import { effectiveSample, estimatedCells, observation } from './estimated-outcomes.ts'
import { foldsOf } from './folds.ts'
import { gate, standing } from './gate.ts'
import { type Outcomes, outcomesOf } from './outcomes.ts'
import { pairMetrics } from './pair.ts'
import { arenaScore, policyReport } from './policy-metrics.ts'
import { dice } from './random.ts'
import { reportHtml } from './render/html.ts'
import { reportJson } from './render/json.ts'
import { reportText } from './render/text.ts'
import { type EvaluationReport, report } from './report.ts'

function row(id: string, quality: readonly number[], cost: readonly number[], more: Partial<Row> = {}): Row {
  const empty = new Float64Array(quality.length).fill(Number.NaN)
  return {
    id,
    text: `prompt ${id} ${'x'.repeat(id.length)}`,
    quality: Float64Array.from(quality),
    cost: Float64Array.from(cost),
    inputTokens: 10,
    outputTokens: empty,
    latency: empty,
    ...more,
  }
}

const datasetOf = (rows: readonly Row[], models = ['a', 'b']): Dataset => ({
  name: 'test',
  hash: 'h'.repeat(64),
  models: models.map(id => ({ id, inputPrice: 1e-6, outputPrice: 1e-6 })),
  rows,
})

const predictionsOf = (outcomes: Outcomes, quality: (row: number, model: number) => number): Predictions => ({
  quality: outcomes.quality.map((_, at) =>
    quality(Math.floor(at / outcomes.models.length), at % outcomes.models.length),
  ),
  cost: outcomes.cost.slice(),
  unit: new Float64Array(outcomes.rows.length).fill(1),
})

describe('the curve', () => {
  const points = [
    { cost: 1, quality: 0.2 },
    { cost: 2, quality: 0.6 },
    { cost: 3, quality: 0.5 },
    { cost: 4, quality: 0.7 },
    { cost: 3, quality: 0.65 },
    { cost: 6, quality: 0.7 },
  ]

  it('is the upper convex hull that never falls', () => {
    expect(hull(points)).toEqual([points[0], points[1], points[4], points[3]])
    // Of equals the cheaper, and a point on the line between two is no corner.
    expect(
      hull([
        { cost: 0, quality: 0 },
        { cost: 1, quality: 0.5 },
        { cost: 2, quality: 1 },
      ]),
    ).toHaveLength(2)
  })

  it('has heights, costs and a mean height that can be worked out by hand', () => {
    const curve = hull(points)
    expect(heightAt(curve, 1.5)).toBeCloseTo(0.4, 12)
    expect([heightAt(curve, 0), heightAt(curve, 9)]).toEqual([0.2, 0.7])
    expect(costFor(curve, 0.4)).toBeCloseTo(1.5, 12)
    expect(costFor(curve, 0.1)).toBe(1)
    expect(costFor(curve, 0.71)).toBeUndefined()
    // Trapezoids 0.4, 0.625, 0.675 of width 1 each, and 0.7 of width 2.
    expect(aiq(curve, 1, 6)).toBeCloseTo((0.4 + 0.625 + 0.675 + 1.4) / 5, 12)
    expect(aiq(curve, 0, 1)).toBeCloseTo(0.2, 12)
  })

  it('is walked with the λ of the published rule', () => {
    expect(lambdas).toHaveLength(81)
    expect(lambdas.slice(0, 2)).toEqual([0, 1e-4])
    expect(lambdas[80]).toBeCloseTo(100, 9)
  })

  it('chooses the cheaper of equals, and never a model of which nothing is known', () => {
    const predictions = {
      quality: Float64Array.of(0.5, 0.5, Number.NaN),
      cost: Float64Array.of(2, 1, 0),
      unit: Float64Array.of(1),
    }
    expect([...choose(predictions, 3, 0)]).toEqual([1])
    expect([...choose({ ...predictions, quality: Float64Array.of(0.9, 0.5, Number.NaN) }, 3, 0.3)]).toEqual([0])
    expect([...choose({ ...predictions, quality: Float64Array.of(0.9, 0.5, Number.NaN) }, 3, 0.5)]).toEqual([1])
  })

  it('never costs more with a higher λ, as predicted', () => {
    const random = dice(7)
    const predictions = {
      quality: Float64Array.from({ length: 400 }, random),
      cost: Float64Array.from({ length: 400 }, random),
      unit: new Float64Array(100).fill(0.5),
    }
    let before = Number.POSITIVE_INFINITY
    for (const lambda of lambdas) {
      const cost = choose(predictions, 4, lambda).reduce(
        (sum, choice, at) => sum + predictions.cost[4 * at + choice]!,
        0,
      )
      expect(cost).toBeLessThanOrEqual(before + 1e-12)
      before = cost
    }
  })
})

describe('two models', () => {
  const outcomes = outcomesOf(
    datasetOf([
      row('1', [1, 0], [10, 1]),
      row('2', [1, 0], [10, 1]),
      row('3', [1, 1], [10, 1]),
      row('4', [0, 0], [10, 1]),
    ]),
  )

  it('are scored by the share of the gap that is recovered', () => {
    const good = pairMetrics(
      outcomes,
      predictionsOf(outcomes, (at, model) => (model === 0 ? [0.9, 0.8, 0.5, 0.1][at]! : 0)),
    )
    // Recovered after 0, 1, …, 4 strong calls: 0, ½, 1, 1, 1.
    expect(good).toMatchObject({ strong: 'a', weak: 'b', cpt50: 0.25, cpt80: 0.5 })
    expect(good?.apgr).toBeCloseTo((0.25 + 0.75 + 1 + 1) / 4, 12)
    const bad = pairMetrics(
      outcomes,
      predictionsOf(outcomes, (at, model) => (model === 0 ? at : 0)),
    )
    expect(bad?.apgr).toBeCloseTo((0 + 0 + 0.25 + 0.75) / 4, 12)
    expect(bad?.cpt80).toBe(1)
  })

  it('of more models there is no such number', () => {
    const three = outcomesOf(datasetOf([row('1', [1, 0, 0], [1, 1, 1])], ['a', 'b', 'c']))
    expect(
      pairMetrics(
        three,
        predictionsOf(three, () => 0),
      ),
    ).toBeUndefined()
  })
})

describe('one policy', () => {
  it('gets the arena score that is published for its accuracy and cost', () => {
    expect(arenaScore(0.669, 0.15)).toBeCloseTo(66.89, 0)
    expect(arenaScore(0.74, 10.02)).toBeCloseTo(64.32, 0)
    expect(arenaScore(0.5, 1000)).toBe(0)
  })

  it('is compared with the cheapest of the best on prompts somebody can answer', () => {
    const outcomes = outcomesOf(
      datasetOf([row('1', [1, 1], [10, 1]), row('2', [1, 0], [10, 1]), row('3', [0, 0], [10, 1])]),
    )
    const found = policyReport(outcomes, Int32Array.of(0, 0, 0), 0)
    expect(found).toMatchObject({ optimalSelection: 0.5, entropy: 0 })
    expect(found.optimalCost).toBeCloseTo(11 / 20, 12)
    expect(policyReport(outcomes, Int32Array.of(1, 0, 1), 0)).toMatchObject({ optimalSelection: 1, optimalCost: 1 })
    expect(policyReport(outcomes, Int32Array.of(1, 0, 1), 0).entropy).toBeCloseTo(0.918, 3)
  })
})

describe('rows with gaps', () => {
  it('are not scored, and counted', () => {
    const outcomes = outcomesOf(datasetOf([row('1', [1, 0], [1, 1]), row('2', [1, Number.NaN], [1, 1])]))
    expect([outcomes.rows.length, outcomes.leftOut]).toEqual([1, 1])
  })
})

describe('calibration', () => {
  it('is the distance between what was said and what came', () => {
    const outcomes = outcomesOf(
      datasetOf(Array.from({ length: 10 }, (_, n) => row(`${n}`, [n < 7 ? 1 : 0, 0], [1, 1]))),
    )
    const found = calibration(
      outcomes,
      predictionsOf(outcomes, (_, model) => (model === 0 ? 0.75 : 0.05)),
    )
    expect(found.ece).toBeCloseTo((0.05 * 10 + 0.05 * 10) / 20, 12)
    expect(found.brierOfMeans).toBeCloseTo((0.7 * 0.3) / 2, 12)
  })
})

describe('folds', () => {
  it('are those of the published results by id, and keep groups together', () => {
    // sha256("cv|a0"), first 32 bits, modulo 5.
    expect([...foldsOf([row('a0', [1], [1])], 5, 'id')]).toEqual([0x631a5ff1 % 5])
    const rows = Array.from({ length: 60 }, (_, n) => row(`${n}`, [1], [1], { group: `g${n % 12}` }))
    const folds = foldsOf(rows, 3)
    rows.forEach((_, n) => {
      expect(folds[n]).toBe(folds[n % 12])
    })
    expect(new Set(folds).size).toBe(3)
  })
})

/** Two kinds of prompt, two models of one skill each, the better one dearer; a router that knows by `skill`. */
function twoKinds(skill: number, rows = 400): { readonly outcomes: Outcomes; readonly predictions: Predictions } {
  const random = dice(4)
  const kinds = Array.from({ length: rows }, () => random() < 0.5)
  const outcomes = outcomesOf(
    datasetOf(
      kinds.map((kind, at) =>
        row(`${at}`, [random() < (kind ? 0.9 : 0.3) ? 1 : 0, random() < (kind ? 0.3 : 0.85) ? 1 : 0], [0.004, 0.001], {
          task: kind ? 'sums' : 'songs',
          group: `g${at}`,
        }),
      ),
    ),
  )
  const noise = dice(5)
  return {
    outcomes,
    predictions: predictionsOf(
      outcomes,
      (at, model) => (kinds[at] === (model === 0) ? 0.5 + 0.4 * skill : 0.5) + (1 - skill) * 0.2 * noise(),
    ),
  }
}

function reportOf({ outcomes, predictions }: ReturnType<typeof twoKinds>): EvaluationReport {
  return report({
    outcomes,
    predictions: new Map([['average', predictions]]),
    taskTable: undefined,
    microseconds: [100, 200],
    resamples: 100,
    facts: {
      split: 'cross-validation',
      folds: 5,
      seed: 1,
      createdAt: '2026-01-02T03:04:05.000Z',
      datasetHash: 'd'.repeat(64),
      trainingHash: undefined,
      unseenTasks: undefined,
    },
  })
}

describe('the gate', () => {
  it('lets a router through that knows something', () => {
    const found = reportOf(twoKinds(1))
    expect(found.gate.checks.map(({ passed }) => passed)).toEqual([true, true, true])
    expect(found.methods[0]?.standing).toBe('above')
  })

  it('stops one that knows nothing', () => {
    const found = reportOf(twoKinds(0))
    expect(found.gate.passed).toBe(false)
    expect(found.methods[0]?.standing).not.toBe('above')
    expect(reportText(found)).toContain('weaker')
  })

  it('stops one whose gain may be chance', () => {
    const [method] = reportOf(twoKinds(1)).methods
    if (method === undefined) throw new Error('no method')
    const { noise, aiqOverHull } = method
    expect(standing(aiqOverHull, { ...noise, aiqOverHull: aiqOverHull / 2 })).toBe('level')
    expect(standing(aiqOverHull, { ...noise, optimism: aiqOverHull })).toBe('level')
    expect(standing(-aiqOverHull, noise)).toBe('below')
    expect(gate({ ...method, standing: 'level' }).passed).toBe(false)
    expect(gate({ ...method, qualityOverBest: -0.006 }).checks[1]?.passed).toBe(false)
  })
})

describe('standard errors', () => {
  it('are those of theory for a mean, and grow with groups', () => {
    const random = dice(11)
    const rows = Array.from({ length: 500 }, (_, n) =>
      row(`${n}`, [random() < 0.5 ? 1 : 0, 0], [1, 1], { group: `g${n}` }),
    )
    const single = outcomesOf(datasetOf(rows))
    const always = [new Int32Array(500)]
    const { aiq: error } = bootstrap(single, always, 0, { resamples: 400, seed: 1 })
    expect(error).toBeGreaterThan(0.019)
    expect(error).toBeLessThan(0.026)
    // The same rows eight times over are no more evidence.
    const copies = outcomesOf(datasetOf(rows.flatMap(one => Array.from({ length: 8 }, () => one))))
    const grouped = bootstrap(copies, [new Int32Array(4000)], 0, { resamples: 400, seed: 1 })
    expect(grouped.aiq).toBeCloseTo(error, 10)
    expect(bootstrap(single, always, 0, { resamples: 50, seed: 2 })).toEqual(
      bootstrap(single, always, 0, { resamples: 50, seed: 2 }),
    )
  })
})

describe('the report', () => {
  const found = reportOf(twoKinds(1))

  it('has baselines a person can check', () => {
    const { bestSingle, cheapest, random, oracle } = found.baselines
    expect(cheapest.model).toBe('b')
    expect(random.quality).toBeCloseTo(
      (found.baselines.singles[0]!.quality + found.baselines.singles[1]!.quality) / 2,
      12,
    )
    expect(oracle?.quality).toBeGreaterThan(bestSingle.quality)
    expect(found.methods[0]?.tasks.map(({ task }) => task).sort()).toEqual(['songs', 'sums'])
  })

  it('as JSON has the names of an API and no undefined', () => {
    const json = JSON.parse(JSON.stringify(reportJson(found)))
    expect(json).toMatchObject({
      format: 'routeiq.router_evaluation.v1',
      left_out: 0,
      unseen_tasks: null,
      gate: { passed: true },
    })
    expect(json.methods[0]).toMatchObject({
      method: 'average',
      aiq: expect.any(Number),
      quality_at_half_cost: expect.any(Number),
    })
    expect(json.methods[0].presets.balanced).toMatchObject({
      lambda: 0.1,
      cost_per_1k: expect.any(Number),
      latency_p50: null,
    })
    expect(json.methods[0].curve).toHaveLength(81)
  })

  it('as HTML needs nothing from elsewhere and takes names as text', () => {
    const html = reportHtml({ ...found, name: '<script>alert(1)</script>' })
    expect(html).not.toMatch(/<script|<link|<img|https?:|url\(|@import/)
    expect(html).toContain('&lt;script&gt;')
    expect(html).toContain('prefers-color-scheme:dark')
    expect(html).toMatch(/<polyline class="router" points="[\d., ]+"\/>/)
    expect(html).not.toContain('NaN')
  })
})

describe('logged calls', () => {
  it('count for as many as their probability stands for; where nobody said, for their share', () => {
    const gap = Number.NaN
    const rows = [
      row('1', [1, gap], [1, gap], { propensity: Float64Array.of(0.25, gap) }),
      row('2', [0, gap], [1, gap], { propensity: Float64Array.of(0.01, gap) }),
      row('3', [gap, 1], [gap, 1]),
      row('4', [1, gap], [1, gap]),
      row('5', [1, 0], [1, 1]),
    ]
    const seen = observation(rows, 2)
    expect([...seen].map(weight => Number(weight.toFixed(6)))).toEqual([
      4,
      0,
      20,
      0,
      0,
      4,
      Number((4 / 3).toFixed(6)),
      0,
      1,
      1,
    ])
    expect(effectiveSample(seen, Int32Array.of(0, 0, 0, 0, 1), 2)).toBeCloseTo(
      (4 + 20 + 4 / 3 + 1) ** 2 / (16 + 400 + 16 / 9 + 1),
      9,
    )
    const cells = estimatedCells(
      Float64Array.of(1, gap, 0, gap),
      Float64Array.of(4, 0, 2, 0),
      2,
      Float64Array.of(0.5, 0.3, 0.5, 0.3),
    )
    expect([...cells]).toEqual([2.5, 0.3, -0.5, 0.3])
  })

  /** Of complete outcomes, what a policy that chooses by chance would have seen. */
  function logged({ outcomes }: ReturnType<typeof twoKinds>, share: number, said: boolean, seed = 9): Dataset {
    const random = dice(seed)
    return datasetOf(
      outcomes.rows.map(full => {
        const chosen = random() < share ? 0 : 1
        const only = (values: Float64Array): Float64Array =>
          values.map((value, at) => (at === chosen ? value : Number.NaN))
        const propensity = Float64Array.of(share, 1 - share).map((value, at) => (at === chosen ? value : Number.NaN))
        return { ...full, quality: only(full.quality), cost: only(full.cost), ...(said && { propensity }) }
      }),
    )
  }

  it.each([
    [0.5, true],
    [0.2, true],
    [0.2, false],
  ])('of a policy with share %d (said: %j) tell what another would have come to', (share, said) => {
    const complete = twoKinds(1, 3000)
    const found = reportOf({ outcomes: outcomesOf(logged(complete, share, said)), predictions: complete.predictions })
    const truth = reportOf(complete)
    expect([found.estimated, truth.estimated]).toEqual([true, false])
    const [estimate, exact] = [found.methods[0]!, truth.methods[0]!]
    expect(Math.abs(estimate.presets.quality.quality - exact.presets.quality.quality)).toBeLessThan(0.06)
    expect(Math.abs(estimate.aiq - exact.aiq)).toBeLessThan(3.5 * estimate.noise.aiq)
    expect(estimate.noise.aiq).toBeGreaterThan(exact.noise.aiq)
    expect(Math.abs(found.baselines.bestSingle.quality - truth.baselines.bestSingle.quality)).toBeLessThan(0.06)
    expect(found.gate.passed).toBe(true)
    expect(found.baselines.oracle).toBeUndefined()
    expect(reportText(found)).toContain('estimated from logged calls')
    expect(reportHtml(found)).not.toMatch(/NaN|undefined|oracle<\/fig/)
  })

  it('that are few, or always went one way, prove nothing', () => {
    const few = twoKinds(1, 300)
    const found = reportOf({ outcomes: outcomesOf(logged(few, 0.5, true)), predictions: few.predictions })
    expect(found.gate.checks.find(({ name }) => name === 'evidence')?.passed).toBe(false)
    const many = twoKinds(1, 3000)
    const oneWay = reportOf({ outcomes: outcomesOf(logged(many, 1, true)), predictions: many.predictions })
    expect(oneWay.gate.passed).toBe(false)
  })
})
