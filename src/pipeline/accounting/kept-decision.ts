import type { Constraint, DecisionReason, RoutingDecision, ScoredCandidate } from '../../learning/decision.ts'

/** Numbers of a candidate: quality, variance, cost, latency, utility. */
const perCandidate = 5
const maxBecause = 256

/**
 * A decision in memory that is used again. Kept as it is, every decision of the last thousand would be objects that grow
 * old: 1.9 KB a call for V8's old generation, and 50 MB more of memory under load.
 */
export class KeptDecision {
  #numbers = new Float64Array(0)
  readonly #models: string[] = []
  readonly #deployments: string[] = []
  readonly #removed: (Constraint | undefined)[] = []
  readonly #because = Buffer.allocUnsafeSlow(maxBecause)
  #becauseBytes = 0
  #strategy = ''
  #reason: DecisionReason = 'default'
  #chosen = ''
  /** lambda, mu, propensity, familiarity, cluster, microseconds */
  readonly #scalars = new Float64Array(6)
  #explored = false
  #artifact: string | undefined
  #policy = ''
  /** One that others still add to, or that has more to it. */
  #whole: RoutingDecision | undefined

  keep(decision: RoutingDecision): void {
    const { candidates } = decision
    const more =
      decision.recorded === true ||
      decision.shadowed !== undefined ||
      decision.assignment !== undefined ||
      decision.features !== undefined
    this.#whole = more ? decision : undefined
    if (more) return
    const count = candidates.length
    if (this.#models.length !== count) {
      this.#numbers = new Float64Array(count * perCandidate)
      this.#models.length = count
      this.#deployments.length = count
      this.#removed.length = count
    }
    const numbers = this.#numbers
    for (let i = 0; i < count; i++) {
      const candidate = candidates[i] as ScoredCandidate
      const at = i * perCandidate
      this.#models[i] = candidate.model
      this.#deployments[i] = candidate.deployment
      this.#removed[i] = candidate.removedBy
      numbers[at] = candidate.quality
      numbers[at + 1] = candidate.variance
      numbers[at + 2] = candidate.cost
      numbers[at + 3] = candidate.latency ?? Number.NaN
      numbers[at + 4] = candidate.utility
    }
    this.#becauseBytes = this.#because.write(decision.because, 'utf8')
    this.#strategy = decision.strategy
    this.#reason = decision.reason
    this.#chosen = decision.chosen
    this.#scalars[0] = decision.lambda
    this.#scalars[1] = decision.mu
    this.#scalars[2] = decision.propensity
    this.#scalars[3] = decision.familiarity
    this.#scalars[4] = decision.cluster
    this.#scalars[5] = decision.microseconds
    this.#explored = decision.explored
    this.#artifact = decision.artifact
    this.#policy = decision.policy
  }

  /** The decision as it was, its reason no longer than 256 bytes. */
  read(): RoutingDecision {
    if (this.#whole !== undefined) return this.#whole
    const [lambda = 0, mu = 0, propensity = 0, familiarity = 0, cluster = -1, microseconds = 0] = this.#scalars
    return {
      strategy: this.#strategy,
      reason: this.#reason,
      because: this.#because.toString('utf8', 0, this.#becauseBytes),
      chosen: this.#chosen,
      candidates: this.#models.map((model, i) => this.#candidate(model, i)),
      lambda,
      mu,
      explored: this.#explored,
      propensity,
      familiarity,
      cluster,
      artifact: this.#artifact,
      policy: this.#policy,
      recorded: false,
      microseconds,
    }
  }

  #candidate(model: string, index: number): ScoredCandidate {
    const at = index * perCandidate
    const [quality = 0, variance = 0, cost = 0, latency = Number.NaN, utility = 0] = this.#numbers.subarray(
      at,
      at + perCandidate,
    )
    return {
      model,
      deployment: this.#deployments[index] ?? '',
      quality,
      variance,
      cost,
      latency: Number.isNaN(latency) ? undefined : latency,
      utility,
      removedBy: this.#removed[index],
    }
  }
}
