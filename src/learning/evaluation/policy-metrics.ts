import { outcomeOf } from './curve.ts'
import type { Outcomes } from './outcomes.ts'

/** What a policy (one choice per row) came to. */
export interface PolicyReport {
  /** Undefined for a policy that is not a point of a curve. */
  readonly lambda: number | undefined
  readonly quality: number
  readonly costPer1k: number
  /** Milliseconds; undefined where the data have none. */
  readonly latencyP50: number | undefined
  readonly latencyP95: number | undefined
  readonly arenaScore: number
  /**
   * Share of the prompts somebody can answer where the cheapest of the best models was chosen. This and the next are
   * undefined where outcomes are estimated: they are no means.
   */
  readonly optimalSelection: number | undefined
  /** On those prompts: what the cheapest of the best would have cost / what was spent. Above 1: saved on quality. */
  readonly optimalCost: number | undefined
  readonly shares: readonly { readonly model: string; readonly share: number }[]
  /** Of the shares, in bits. 0: always the same model. */
  readonly entropy: number
}

/** Qualities nearer than this are the same answer as far as anybody can tell. */
const tie = 0.02
/** Best quality from which a prompt counts as one that somebody can answer. */
const answered = 0.5

export function policyReport(outcomes: Outcomes, choices: Int32Array, lambda: number | undefined): PolicyReport {
  const { models } = outcomes
  const { quality, cost } = outcomeOf(outcomes, choices)
  const counts = new Float64Array(models.length)
  for (const choice of choices) counts[choice] = (counts[choice] ?? 0) + 1
  const shares = models.map((model, index) => ({ model, share: (counts[index] ?? 0) / choices.length }))
  return {
    lambda,
    quality,
    costPer1k: cost * 1000,
    latencyP50: quantile(latencies(outcomes, choices), 0.5),
    latencyP95: quantile(latencies(outcomes, choices), 0.95),
    arenaScore: arenaScore(quality, cost * 1000),
    ...(outcomes.estimated ? { optimalSelection: undefined, optimalCost: undefined } : optimal(outcomes, choices)),
    shares,
    entropy: shares.reduce((sum, { share }) => (share > 0 ? sum - share * Math.log2(share) : sum), 0),
  }
}

/** RouterArena's score, 0 to 100: accuracy and logarithmic cheapness, ten to one. */
export function arenaScore(accuracy: number, costPer1k: number): number {
  const [dearest, cheapest, beta] = [200, 0.0044, 0.1]
  const cheapness = Math.log2(dearest / Math.max(costPer1k, cheapest)) / Math.log2(dearest / cheapest)
  const clipped = Math.min(1, Math.max(0, cheapness))
  const below = beta * accuracy + clipped
  return below === 0 ? 0 : (100 * (1 + beta) * accuracy * clipped) / below
}

/** Per row the cheapest model among those as good as the best. */
export function cheapestBest(outcomes: Outcomes): Int32Array {
  const width = outcomes.models.length
  return Int32Array.from(outcomes.rows, (_, row) => {
    let best = 0
    for (let model = 0; model < width; model++) best = Math.max(best, outcomes.quality[row * width + model] ?? 0)
    let chosen = -1
    for (let model = 0; model < width; model++) {
      const at = row * width + model
      if ((outcomes.quality[at] ?? 0) < best - tie) continue
      if (chosen < 0 || (outcomes.cost[at] ?? 0) < (outcomes.cost[row * width + chosen] ?? 0)) chosen = model
    }
    return Math.max(chosen, 0)
  })
}

function optimal(outcomes: Outcomes, choices: Int32Array): Pick<PolicyReport, 'optimalSelection' | 'optimalCost'> {
  const width = outcomes.models.length
  let rows = 0
  let hits = 0
  let least = 0
  let spent = 0
  cheapestBest(outcomes).forEach((best, row) => {
    if ((outcomes.quality[row * width + best] ?? 0) < answered) return
    const choice = choices[row] ?? 0
    rows++
    if (choice === best) hits++
    least += outcomes.cost[row * width + best] ?? 0
    spent += outcomes.cost[row * width + choice] ?? 0
  })
  return { optimalSelection: rows === 0 ? 0 : hits / rows, optimalCost: spent === 0 ? 1 : least / spent }
}

const latencies = (outcomes: Outcomes, choices: Int32Array): Float64Array =>
  Float64Array.from(choices, (choice, row) => outcomes.latency[row * outcomes.models.length + choice] ?? Number.NaN)

/** Of the known values; undefined without any. */
export function quantile(values: ArrayLike<number>, share: number): number | undefined {
  const sorted = Float64Array.from(values)
    .filter(value => !Number.isNaN(value))
    .sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}
