/** One logged decision, as a policy that was not in charge is judged by it. */
export interface LoggedChoice {
  /** What was chosen: an index into the models. */
  readonly action: number
  /** 0..1, or a utility. */
  readonly reward: number
  /** With which probability it was chosen, > 0. */
  readonly propensity: number
  /** Predicted reward per model: the direct part of the doubly robust estimate. */
  readonly predicted: ArrayLike<number>
  /** What the judged policy would choose; or how likely it chooses each. */
  readonly target: number | ArrayLike<number>
}

export interface Estimate {
  readonly value: number
  readonly standardError: number
}

export interface PolicyValue {
  readonly rows: number
  /** (Σw)²/Σw²: as many rows of one's own would say as much. */
  readonly effectiveRows: number
  /** The headline: unbiased where either propensities or predictions are right. */
  readonly doublyRobust: Estimate
  readonly ips: Estimate
  readonly snips: Estimate
  /** By predictions alone: biased as they are. */
  readonly direct: Estimate
  /** Share of rows whose weight was cut. */
  readonly clipped: number
}

export interface OffPolicySettings {
  /** Largest weight 1/p. 20–50; default 50. */
  readonly maxWeight?: number
  /** Fewer effective rows than this say nothing. Default 200. */
  readonly minEffectiveRows?: number
}

export class NotEnoughEvidence extends Error {
  override readonly name = 'NotEnoughEvidence'
  readonly effectiveRows: number

  constructor(effectiveRows: number, needed: number, rows: number) {
    super(
      rows === 0
        ? 'There are no decisions with a propensity and a reward in this period.'
        : `${rows} decisions say as much about this policy as ${Math.floor(effectiveRows)} of its own would; ${needed} are needed. ` +
            'Collect more decisions with exploration on (at least 1 %).',
    )
    this.effectiveRows = effectiveRows
  }
}

/**
 * What a policy would have earned, from decisions that another one made: inverse propensity (IPS), self-normalised
 * (SNIPS), doubly robust (Dudík et al. 2011).
 * @throws NotEnoughEvidence
 */
export function policyValue(rows: Iterable<LoggedChoice>, settings: OffPolicySettings = {}): PolicyValue {
  const { maxWeight = 50, minEffectiveRows = 200 } = settings
  const weights: number[] = []
  const rewards: number[] = []
  const robust: number[] = []
  const direct: number[] = []
  let clipped = 0
  for (const { action, reward, propensity, predicted, target } of rows) {
    if (!(propensity > 0)) continue
    const chance = typeof target === 'number' ? Number(target === action) : (target[action] ?? 0)
    const full = chance / propensity
    const weight = Math.min(maxWeight, full)
    if (weight < full) clipped++
    const expected = typeof target === 'number' ? (predicted[target] ?? 0) : dot(target, predicted)
    weights.push(weight)
    rewards.push(reward)
    direct.push(expected)
    robust.push(expected + weight * (reward - (predicted[action] ?? 0)))
  }
  const n = weights.length
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const squares = weights.reduce((total, weight) => total + weight * weight, 0)
  const effectiveRows = squares === 0 ? 0 : (sum * sum) / squares
  if (effectiveRows < minEffectiveRows) throw new NotEnoughEvidence(effectiveRows, minEffectiveRows, n)
  const weighted = weights.map((weight, index) => weight * (rewards[index] ?? 0))
  return {
    rows: n,
    effectiveRows,
    doublyRobust: meanOf(robust),
    ips: meanOf(weighted),
    snips: ratioOf(weighted, weights),
    direct: meanOf(direct),
    clipped: clipped / n,
  }
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0)
  return sum
}

function meanOf(values: readonly number[]): Estimate {
  const n = values.length
  const value = values.reduce((sum, x) => sum + x, 0) / n
  const variance = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / Math.max(1, n - 1)
  return { value, standardError: Math.sqrt(variance / n) }
}

/** A ratio of means; its standard error by the delta method. */
function ratioOf(weighted: readonly number[], weights: readonly number[]): Estimate {
  const n = weights.length
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / n
  const value = weighted.reduce((sum, x) => sum + x, 0) / n / mean
  const variance = weighted.reduce((sum, x, index) => sum + (x - value * (weights[index] ?? 0)) ** 2, 0)
  return { value, standardError: Math.sqrt(variance / Math.max(1, n - 1) / n) / mean }
}
