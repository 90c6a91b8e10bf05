import type { Method } from '../predictor.ts'
import { bootstrap, deviation, margin } from './bootstrap.ts'
import { calibration, costError } from './calibration.ts'
import { aiq, choose, costFor, heightAt, hull, lambdas, outcomeOf, type Point, type Predictions } from './curve.ts'
import { effectiveSample } from './estimated-outcomes.ts'
import { type Gate, gate, standing } from './gate.ts'
import type { CurveReport, MethodReport, TaskReport } from './method-report.ts'
import { bestSingle, columnMeans, type Outcomes } from './outcomes.ts'
import { pairMetrics } from './pair.ts'
import { cheapestBest, type PolicyReport, policyReport, quantile } from './policy-metrics.ts'

export interface Single {
  readonly model: string
  readonly quality: number
  readonly costPer1k: number
  /** A corner of the hull: no mix of others is as good for as little. */
  readonly onHull: boolean
}

export interface Baselines {
  readonly random: { readonly quality: number; readonly costPer1k: number }
  readonly cheapest: Single
  readonly bestSingle: Single
  readonly singles: readonly Single[]
  /** Mixing single models at random in the best proportions: routing without looking («zero router»). */
  readonly hullOfSingles: CurveReport
  /** Told the task of every prompt. Undefined where data have no tasks. */
  readonly taskTable: (CurveReport & { readonly quality: number; readonly costPer1k: number }) | undefined
  /** The cheapest of the best models, every time. Undefined where outcomes are estimated. */
  readonly oracle: (CurveReport & { readonly quality: number; readonly costPer1k: number }) | undefined
}

export interface UnseenTask {
  readonly task: string
  readonly rows: number
  /** At λ = 0, trained without this task. */
  readonly quality: number
  /** Of the model that was best in the training rows. */
  readonly bestByTraining: number
}

export interface EvaluationReport {
  readonly format: 'routeiq.router_evaluation.v1'
  readonly name: string
  /** How rows and what was trained on were kept apart. `seen`: not at all known, an artifact was scored as it is. */
  readonly split: 'test file' | 'cross-validation' | 'artifact'
  readonly folds: number | undefined
  readonly seed: number
  readonly createdAt: string
  readonly rows: number
  readonly leftOut: number
  /** Of logged calls: outcomes are estimated from the models that happened to be called. */
  readonly estimated: boolean
  readonly groups: number
  readonly datasetHash: string
  readonly trainingHash: string | undefined
  readonly models: readonly string[]
  readonly recommended: string
  readonly baselines: Baselines
  readonly methods: readonly MethodReport[]
  readonly unseenTasks: readonly UnseenTask[] | undefined
  /** Of one decision: features, prediction, choice. */
  readonly microseconds: { readonly p50: number | undefined; readonly p99: number | undefined }
  readonly gate: Gate
}

export interface ReportInput {
  readonly outcomes: Outcomes
  /** The recommended method first. */
  readonly predictions: ReadonlyMap<Method, Predictions>
  readonly taskTable: Predictions | undefined
  readonly facts: Pick<
    EvaluationReport,
    'split' | 'folds' | 'seed' | 'createdAt' | 'datasetHash' | 'trainingHash' | 'unseenTasks'
  >
  readonly microseconds: readonly number[]
  readonly resamples: number
}

export function report(input: ReportInput): EvaluationReport {
  const { outcomes, facts } = input
  const table = singlesOf(outcomes)
  const methods: MethodReport[] = []
  let recommended: Float64Array | undefined
  for (const [method, predictions] of input.predictions) {
    const made = methodReport(method, predictions, input, table, recommended, methods[0]?.aiq)
    recommended ??= made.aiqs
    methods.push(made.report)
  }
  const first = methods[0]
  if (first === undefined) throw new RangeError('a report needs at least one method')
  return {
    format: 'routeiq.router_evaluation.v1',
    name: outcomes.name,
    rows: outcomes.rows.length,
    leftOut: outcomes.leftOut,
    estimated: outcomes.estimated,
    groups: new Set(outcomes.groups).size,
    models: outcomes.models,
    recommended: first.method,
    baselines: baselinesOf(outcomes, table, input.taskTable),
    methods,
    microseconds: { p50: quantile(input.microseconds, 0.5), p99: quantile(input.microseconds, 0.99) },
    gate: gate(first),
    ...facts,
  }
}

/** Means of the single models, and what follows from them. */
interface Singles {
  readonly points: readonly Point[]
  readonly best: number
  readonly hull: readonly Point[]
  /** Range of costs over which AIQ is taken. */
  readonly from: number
  readonly to: number
}

function singlesOf(outcomes: Outcomes): Singles {
  const width = outcomes.models.length
  const quality = columnMeans(outcomes.quality, width)
  const cost = columnMeans(outcomes.cost, width)
  const points = outcomes.models.map((_, model) => ({ quality: quality[model] ?? 0, cost: cost[model] ?? 0 }))
  return {
    points,
    best: bestSingle(quality, cost),
    hull: hull(points),
    from: Math.min(...cost),
    to: Math.max(...cost),
  }
}

function curveReport(curve: readonly Point[], singles: Singles): CurveReport {
  const best = singles.points[singles.best] ?? { quality: 0, cost: 0 }
  const least = costFor(curve, best.quality)
  return {
    aiq: aiq(curve, singles.from, singles.to),
    saving: least === undefined || best.cost === 0 ? undefined : 1 - least / best.cost,
    qualityAtHalfCost: heightAt(curve, best.cost / 2),
    qualityAtQuarterCost: heightAt(curve, best.cost / 4),
  }
}

function methodReport(
  method: string,
  predictions: Predictions,
  { outcomes, facts, resamples }: ReportInput,
  singles: Singles,
  recommended: Float64Array | undefined,
  recommendedAiq: number | undefined,
): { readonly report: MethodReport; readonly aiqs: Float64Array } {
  const width = outcomes.models.length
  const best = singles.points[singles.best] ?? { quality: 0, cost: 0 }
  const choices = lambdas.map(lambda => choose(predictions, width, lambda))
  const points = choices.map(choice => outcomeOf(outcomes, choice))
  const curve = hull(points)
  const { aiqs, ...noise } = bootstrap(outcomes, choices, singles.best, { resamples, seed: facts.seed })
  const numbers = curveReport(curve, singles)
  const over = numbers.aiq - aiq(singles.hull, singles.from, singles.to)
  const within = costFor(curve, best.quality - margin)
  const preset = (lambda: number): PolicyReport => policyReport(outcomes, choose(predictions, width, lambda), lambda)
  return {
    aiqs,
    report: {
      method,
      ...numbers,
      presets: { quality: preset(0), balanced: preset(0.1), cheap: preset(0.5) },
      pair: pairMetrics(outcomes, predictions),
      calibration: calibration(outcomes, predictions),
      costError: costError(outcomes, predictions),
      noise,
      aiqOverHull: over,
      qualityOverBest: (points[0]?.quality ?? 0) - best.quality,
      savingWithinMargin: within === undefined || best.cost === 0 ? 0 : Math.max(0, 1 - within / best.cost),
      aiqOverRecommended: recommendedAiq === undefined ? 0 : numbers.aiq - recommendedAiq,
      aiqOverRecommendedError: recommended === undefined ? 0 : pairedError(aiqs, recommended),
      effectiveSample: outcomes.estimated
        ? effectiveSample(outcomes.seen, choices[0] ?? new Int32Array(0), width)
        : undefined,
      standing: standing(over, noise),
      tasks: tasksOf(outcomes, choices[0] ?? new Int32Array(outcomes.rows.length), singles.best),
      curve: points.map((point, at) => ({
        lambda: lambdas[at] ?? 0,
        quality: point.quality,
        costPer1k: point.cost * 1000,
      })),
    },
  }
}

const pairedError = (one: Float64Array, other: Float64Array): number =>
  deviation(one.map((value, at) => value - (other[at] ?? 0)))

function baselinesOf(outcomes: Outcomes, singles: Singles, taskTable: Predictions | undefined): Baselines {
  const width = outcomes.models.length
  const list = outcomes.models.map((model, at): Single => {
    const { quality, cost } = singles.points[at] ?? { quality: 0, cost: 0 }
    const onHull = singles.hull.some(point => point.quality === quality && point.cost === cost)
    return { model, quality, costPer1k: cost * 1000, onHull }
  })
  const [first] = list
  if (first === undefined) throw new RangeError('a report needs at least one model')
  const mean = (value: (single: Single) => number): number =>
    list.reduce((sum, single) => sum + value(single), 0) / width
  const truth: Predictions = {
    quality: outcomes.quality,
    cost: outcomes.cost,
    unit: new Float64Array(outcomes.rows.length).fill(mean(({ costPer1k }) => costPer1k) / 1000),
  }
  const ofPredictions = (predictions: Predictions) => {
    const points = lambdas.map(lambda => outcomeOf(outcomes, choose(predictions, width, lambda)))
    const { quality, cost } = points[0] ?? { quality: 0, cost: 0 }
    return { quality, costPer1k: cost * 1000, ...curveReport(hull(points), singles) }
  }
  return {
    random: { quality: mean(({ quality }) => quality), costPer1k: mean(({ costPer1k }) => costPer1k) },
    cheapest: list.reduce((least, single) => (single.costPer1k < least.costPer1k ? single : least), first),
    bestSingle: list[singles.best] ?? first,
    singles: list,
    hullOfSingles: curveReport(singles.hull, singles),
    taskTable: taskTable && ofPredictions(taskTable),
    oracle: outcomes.estimated
      ? undefined
      : { ...ofPredictions(truth), costPer1k: outcomeOf(outcomes, cheapestBest(outcomes)).cost * 1000 },
  }
}

function tasksOf(outcomes: Outcomes, choices: Int32Array, best: number): TaskReport[] {
  const width = outcomes.models.length
  const sums = new Map<string, { rows: number; quality: number; cost: number; best: number; oracle: number }>()
  outcomes.rows.forEach((row, at) => {
    if (row.task === undefined) return
    let sum = sums.get(row.task)
    if (sum === undefined) {
      sum = { rows: 0, quality: 0, cost: 0, best: 0, oracle: 0 }
      sums.set(row.task, sum)
    }
    const own = outcomes.quality.subarray(at * width, (at + 1) * width)
    sum.rows++
    sum.quality += own[choices[at] ?? 0] ?? 0
    sum.cost += outcomes.cost[at * width + (choices[at] ?? 0)] ?? 0
    sum.best += own[best] ?? 0
    sum.oracle += Math.max(...own)
  })
  return [...sums]
    .map(([task, sum]) => ({
      task,
      rows: sum.rows,
      quality: sum.quality / sum.rows,
      costPer1k: (1000 * sum.cost) / sum.rows,
      bestSingleQuality: sum.best / sum.rows,
      oracleQuality: outcomes.estimated ? undefined : sum.oracle / sum.rows,
    }))
    .sort((a, b) => b.rows - a.rows || a.task.localeCompare(b.task))
}
