import type { RoutingDecision } from '../../../learning/decision.ts'
import type { Deployment } from '../../deployment.ts'
import { tiers } from '../filters.ts'
import type { CallFeatures, Candidate, Ranking, Strategy } from '../types.ts'
import type { ArmSet } from './arm-set.ts'
import type { CascadePolicy, RoutePolicy } from './route-policy.ts'

/**
 * Deployments in the order of their models, those of one model as a classic strategy has them. Models that are not in
 * the order are not to be tried.
 */
export class LearnedRanking implements Ranking {
  readonly ranked: readonly Candidate[]
  readonly interchangeable: number
  readonly decision: RoutingDecision
  readonly router: string
  readonly cascade: CascadePolicy | undefined
  readonly #policy: RoutePolicy
  readonly #set: ArmSet
  /** Places of models, best first. */
  readonly #order: readonly number[]
  readonly #inner: Strategy
  readonly #open: ((deployment: Deployment) => boolean) | undefined

  /** @param open deployments the call is bound to; undefined: any */
  constructor(
    decision: RoutingDecision,
    policy: RoutePolicy,
    set: ArmSet,
    order: readonly number[],
    inner: Strategy,
    open: ((deployment: Deployment) => boolean) | undefined,
    kept: readonly Candidate[],
    features: CallFeatures,
    random: () => number,
  ) {
    this.decision = decision
    this.router = policy.router
    this.cascade = decision.reason === 'cascade' ? policy.cascade : undefined
    this.#policy = policy
    this.#set = set
    this.#order = order
    this.#inner = inner
    this.#open = open
    const byArm = this.#byArm(kept)
    const ranked: Candidate[] = []
    let interchangeable = 0
    for (const arm of order) {
      const own = byArm[arm]
      if (own === undefined) continue
      if (Array.isArray(own)) {
        for (const tier of own.some(hasOrder) ? tiers(own) : [own]) {
          const sorted = inner.rank(tier, features, random)
          if (ranked.length === 0) interchangeable = inner.interchangeable(sorted, features)
          ranked.push(...sorted)
        }
      } else ranked.push(own)
      if (interchangeable === 0) interchangeable = 1
    }
    this.ranked = ranked
    this.interchangeable = interchangeable
  }

  again(kept: readonly Candidate[], features: CallFeatures, random: () => number): Ranking {
    return new LearnedRanking(
      this.decision,
      this.#policy,
      this.#set,
      this.#order,
      this.#inner,
      this.#open,
      kept,
      features,
      random,
    )
  }

  modelOf({ id }: Deployment): string | undefined {
    const place = this.#set.byDeployment.get(id)
    return place === undefined ? undefined : this.#set.arms[place]?.name
  }

  /** Candidates by the place of their model: most models have one deployment. */
  #byArm(kept: readonly Candidate[]): (Candidate | Candidate[] | undefined)[] {
    const byArm = new Array<Candidate | Candidate[] | undefined>(this.#set.arms.length)
    for (const candidate of kept) {
      if (this.#open?.(candidate.deployment) === false) continue
      const arm = this.#set.byDeployment.get(candidate.deployment.id)
      if (arm === undefined) continue
      const others = byArm[arm]
      if (others === undefined) byArm[arm] = candidate
      else if (Array.isArray(others)) others.push(candidate)
      else byArm[arm] = [others, candidate]
    }
    return byArm
  }
}

const hasOrder = ({ deployment }: Candidate): boolean => deployment.order !== undefined
