import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { CallFeatures, Candidate, Ranking, RoutingQuestion, Strategy } from '../types.ts'
import { Decider } from './decider.ts'
import type { LearnedServices } from './learned-services.ts'
import type { RoutePolicy } from './route-policy.ts'

/** Decisions in a row over the time limit after which the route is passed over, and for how long. */
const slowInRow = 3
const restTime = 1000

/**
 * A strategy that chooses among models by what is known of the prompt. It fails open: where it cannot decide, or takes
 * too long, the classic strategy orders all candidates, and the metric counts it. Hard constraints do not fail open.
 */
export class LearnedStrategy implements Strategy {
  readonly id: string
  readonly honoursLimits: boolean
  readonly checksCapabilities = true
  readonly policy: RoutePolicy
  readonly #inner: Strategy
  readonly #services: LearnedServices
  readonly #decider: Decider
  #slow = 0
  #restUntil = 0

  /** @param strategyOf classic and learned strategies by name, for experiments over strategies */
  constructor(
    policy: RoutePolicy,
    inner: Strategy,
    services: LearnedServices,
    strategyOf: (name: string) => Strategy | undefined = () => undefined,
  ) {
    this.id = policy.strategy
    this.policy = policy
    this.#inner = inner
    this.honoursLimits = inner.honoursLimits
    this.#services = services
    this.#decider = new Decider(policy, inner, services, strategyOf)
  }

  decide(question: RoutingQuestion): Ranking | undefined {
    const { features, kept, random } = question
    const context = features.routing
    if (context === undefined) return undefined
    // A retry walks on; it does not decide anew.
    if (context.made !== undefined) return context.made.again(kept, features, random)
    const { clock, events } = this.#services
    const now = clock.now()
    if (now < this.#restUntil) {
      events.passedOver(this.id, 'over_time')
      return undefined
    }
    const started = performance.now()
    let ranking: Ranking | undefined
    try {
      ranking = this.#decider.decide(question, context, started)
    } catch (error) {
      if (error instanceof GatewayError) throw error
      events.passedOver(this.id, 'error', error)
      return undefined
    }
    const took = performance.now() - started
    this.#slow = took > this.policy.timeLimit ? this.#slow + 1 : 0
    if (this.#slow >= slowInRow) {
      this.#slow = 0
      this.#restUntil = now + restTime
      events.passedOver(this.id, 'over_time')
      return undefined
    }
    if (ranking === undefined) return undefined
    events.decided(this.id, ranking.decision.reason, took * 1000)
    context.made = ranking
    return ranking
  }

  rank(candidates: readonly Candidate[], features: CallFeatures, random: () => number): readonly Candidate[] {
    return this.#inner.rank(candidates, features, random)
  }

  why(chosen: Candidate, candidates: readonly Candidate[], features: CallFeatures): string {
    return this.#inner.why(chosen, candidates, features)
  }

  interchangeable(ranked: readonly Candidate[], features: CallFeatures): number {
    return this.#inner.interchangeable(ranked, features)
  }
}
