import type { Noise } from './bootstrap.ts'
import type { Calibration, CostError } from './calibration.ts'
import type { PairMetrics } from './pair.ts'
import type { PolicyReport } from './policy-metrics.ts'

export interface CurvePoint {
  readonly lambda: number
  readonly quality: number
  readonly costPer1k: number
}

/** What one curve of policies is worth, whoever made it. */
export interface CurveReport {
  readonly aiq: number
  /** Share of the best single model's cost that is saved at its quality; undefined: its quality is never reached. */
  readonly saving: number | undefined
  /** At half and at a quarter of the best single model's cost. */
  readonly qualityAtHalfCost: number
  readonly qualityAtQuarterCost: number
}

export interface MethodReport extends CurveReport {
  readonly method: string
  /** λ 0, 0.1 and 0.5. */
  readonly presets: { readonly quality: PolicyReport; readonly balanced: PolicyReport; readonly cheap: PolicyReport }
  readonly pair: PairMetrics | undefined
  readonly calibration: Calibration
  readonly costError: CostError | undefined
  readonly noise: Omit<Noise, 'aiqs'>
  readonly aiqOverHull: number
  readonly qualityOverBest: number
  /** Share of the best single model's cost saved at its quality less half a point. */
  readonly savingWithinMargin: number
  /** AIQ − AIQ of the recommended method, and its paired standard error. */
  readonly aiqOverRecommended: number
  readonly aiqOverRecommendedError: number
  /** Of the policy at λ = 0: calls its estimate rests on. Undefined where nothing is estimated. */
  readonly effectiveSample: number | undefined
  /** Against the hull of single models, by more than noise. */
  readonly standing: 'above' | 'level' | 'below'
  readonly tasks: readonly TaskReport[]
  readonly curve: readonly CurvePoint[]
}

export interface TaskReport {
  readonly task: string
  readonly rows: number
  /** At λ = 0. */
  readonly quality: number
  readonly costPer1k: number
  /** Of the model that is best over all rows. */
  readonly bestSingleQuality: number
  readonly oracleQuality: number | undefined
}
