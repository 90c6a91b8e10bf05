import type { Clock } from '../../platform/clock.ts'
import type { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import { discountsCachedInput, preferByPrefix } from './affinity.ts'
import type { Cooldown } from './cooldown.ts'
import { atParallelLimit, dropReason, type FilterRules, nobodyLeft, tiers } from './filters.ts'
import type { LearnedServices } from './learned/learned-services.ts'
import type { LiveStats } from './live-stats.ts'
import type { ModelIndex } from './model-groups.ts'
import type { RoutingSettings } from './settings.ts'
import { createStrategy } from './strategies/index.ts'
import type {
  AttemptOutcome,
  CallFeatures,
  Candidate,
  Consideration,
  DeploymentLimits,
  DropReason,
  ModelGroup,
  Ranking,
  RoutePlan,
  Strategy,
} from './types.ts'

/** What outlives a snapshot and is shared by all routers of the process. */
export interface RouterServices {
  readonly live: LiveStats
  readonly cooldown: Cooldown
  readonly clock: Clock
  readonly random: () => number
  /** What learned strategies stand on. */
  readonly learned?: LearnedServices | undefined
}

export interface RouterOptions extends RouterServices {
  readonly index: ModelIndex
  readonly settings: RoutingSettings
  /** In place of the one the settings name: one that was compiled with what it learned from. */
  readonly strategy?: Strategy | undefined
  /** Where calls may go, lower case. Default: anywhere. */
  readonly allowedRegions?: ReadonlySet<string> | undefined
}

/** Facts of a group that spare work per call. */
interface GroupFacts {
  readonly hasOrder: boolean
  readonly discounts: boolean
  /** Shared by every plan that drops nothing. */
  readonly allKept: readonly Consideration[]
}

/** Decides where calls go. One per snapshot; stateless but for the services it is given. */
export class Router {
  readonly index: ModelIndex
  readonly settings: RoutingSettings
  readonly strategy: Strategy
  readonly #live: LiveStats
  readonly #cooldown: Cooldown
  readonly #clock: Clock
  readonly #random: () => number
  readonly #regions: ReadonlySet<string> | undefined
  readonly #facts = new WeakMap<ModelGroup, GroupFacts>()

  /** @throws GatewayError `config_invalid` for an unknown strategy. */
  constructor(options: RouterOptions) {
    this.index = options.index
    this.settings = options.settings
    this.strategy = options.strategy ?? createStrategy(options.settings.strategy, options.settings.strategyArgs)
    this.#live = options.live
    this.#cooldown = options.cooldown
    this.#clock = options.clock
    this.#random = options.random
    this.#regions = options.allowedRegions
  }

  /** rpm and tpm of deployments are caps, not only weights. */
  get ratesAreLimits(): boolean {
    return this.strategy.honoursLimits || this.settings.preCallChecks || this.settings.enforceRateLimits
  }

  /** Undefined: no such model. */
  resolve(model: string): ModelGroup | undefined {
    return this.index.resolve(model)
  }

  /**
   * Candidates of a group in the order to try them: filtered, ranked by the strategy within each `order`, and the
   * prompt-cache favourite moved to the front.
   * @param exclude ids that have failed in this call
   * @param shared limits of deployments that all processes count together
   * @throws GatewayError `context_length_exceeded`, `unsupported_params` or `no_deployment_available` (with the soonest
   *   `retryAfter`) when nobody is left.
   */
  plan(group: ModelGroup, features: CallFeatures, exclude?: ReadonlySet<string>, shared?: DeploymentLimits): RoutePlan {
    const now = this.#clock.now()
    const strategy = group.strategy ?? this.strategy
    const rules: FilterRules = {
      cooldown: this.#cooldown,
      cooldowns: group.direct !== true && !this.settings.disableCooldowns,
      preCallChecks: this.settings.preCallChecks || strategy.checksCapabilities === true,
      limits: this.ratesAreLimits,
      exclude,
      shared,
      regions: this.#regions,
      mayUse: group.strategy === undefined ? undefined : features.mayUse,
    }
    const { deployments } = group
    const kept = new Array<Candidate>(deployments.length)
    let count = 0
    let dropped: (DropReason | undefined)[] | undefined
    for (let i = 0; i < deployments.length; i++) {
      const deployment = deployments[i] as Deployment
      const live = this.#live.view(deployment, now)
      const reason = dropReason(deployment, live, features, rules)
      if (reason === undefined) kept[count++] = { deployment, live }
      else {
        dropped ??= new Array<DropReason | undefined>(deployments.length)
        dropped[i] = reason
      }
    }
    kept.length = count
    const facts = this.#factsOf(group)
    if (count === 0) {
      throw nobodyLeft(group, consider(group, dropped), this.#cooldown, this.#live, now, shared)
    }
    return this.#rank(group, strategy, facts, kept, dropped, features)
  }

  /** Could take a call now: not cooling, below its parallel limit. */
  available(deployment: Deployment): boolean {
    if (!this.settings.disableCooldowns && !this.#cooldown.admits(deployment)) return false
    return !atParallelLimit(deployment, this.#live.inFlight(deployment))
  }

  /**
   * Begins an attempt at a planned deployment. Things may have changed since the plan was made: another call may have
   * taken the last parallel slot or the right to probe.
   * @param promptTokens estimate, counted towards tpm while the call is in flight
   * @returns the attempt, to be ended exactly once; or why the deployment cannot be called now.
   */
  start(group: ModelGroup, deployment: Deployment, promptTokens = 0): RouteAttempt | DropReason {
    if (atParallelLimit(deployment, this.#live.inFlight(deployment))) return 'parallel_limit'
    let probe = false
    if (group.direct !== true && !this.settings.disableCooldowns) {
      const claim = this.#cooldown.claim(deployment)
      if (claim === 'refused') return 'cooling_down'
      probe = claim === 'probe'
    }
    this.#live.started(deployment, promptTokens)
    return new RouteAttempt(this.#live, this.#cooldown, this.settings, group, deployment, promptTokens, probe)
  }

  #rank(
    group: ModelGroup,
    strategy: Strategy,
    facts: GroupFacts,
    kept: readonly Candidate[],
    dropped: (DropReason | undefined)[] | undefined,
    features: CallFeatures,
  ): RoutePlan {
    const ranking =
      group.direct === true ? undefined : strategy.decide?.({ group, kept, dropped, features, random: this.#random })
    let first = kept
    let standby: Candidate[][] = []
    // A ranking keeps the order inside each model.
    if (ranking === undefined && facts.hasOrder) {
      const [lowest = [], ...rest] = tiers(kept)
      first = lowest
      standby = rest
    }
    if (ranking?.ranked.length === 0) {
      throw nobodyLeft(group, consider(group, dropped), this.#cooldown, this.#live, this.#clock.now())
    }
    let ranked = ranking?.ranked ?? strategy.rank(first, features, this.#random)
    let affinity: Affinity
    if (facts.discounts && ranked.length > 1 && features.prefixHash !== undefined) {
      const count = ranking?.interchangeable ?? strategy.interchangeable(ranked, features)
      const choice = preferByPrefix(ranked, count, features.prefixHash, first[0]?.deployment)
      if (choice !== undefined) {
        affinity = choice.spilled ? 'spilled' : 'preferred'
        if (choice.index > 0) ranked = toFront(ranked, choice.index)
      }
    }
    const lead = first
    if (standby.length > 0) {
      ranked = ranked.concat(...standby.map(tier => strategy.rank(tier, features, this.#random)))
      dropped ??= new Array<DropReason | undefined>(group.deployments.length)
      for (const tier of standby) {
        for (const { deployment } of tier) dropped[group.deployments.indexOf(deployment)] = 'higher_order'
      }
    }
    return new Plan(group, strategy, ranked, lead, dropped, facts.allKept, affinity, features, ranking)
  }

  #factsOf(group: ModelGroup): GroupFacts {
    let facts = this.#facts.get(group)
    if (facts === undefined) {
      facts = {
        hasOrder: group.deployments.some(({ order }) => order !== undefined),
        discounts: group.deployments.some(discountsCachedInput),
        allKept: consider(group, undefined),
      }
      this.#facts.set(group, facts)
    }
    return facts
  }
}

type Affinity = 'preferred' | 'spilled' | undefined

class Plan implements RoutePlan {
  readonly group: ModelGroup
  readonly candidates: readonly Candidate[]
  readonly ranked: readonly Deployment[]
  readonly #strategy: Strategy
  /** The candidates the strategy chose among. */
  readonly #lead: readonly Candidate[]
  readonly #dropped: readonly (DropReason | undefined)[] | undefined
  readonly #allKept: readonly Consideration[]
  readonly #affinity: Affinity
  readonly #features: CallFeatures
  readonly ranking: Ranking | undefined

  constructor(
    group: ModelGroup,
    strategy: Strategy,
    candidates: readonly Candidate[],
    lead: readonly Candidate[],
    dropped: readonly (DropReason | undefined)[] | undefined,
    allKept: readonly Consideration[],
    affinity: Affinity,
    features: CallFeatures,
    ranking: Ranking | undefined,
  ) {
    this.group = group
    this.candidates = candidates
    this.ranked = candidates.map(deploymentOf)
    this.#strategy = strategy
    this.#lead = lead
    this.#dropped = dropped
    this.#allKept = allKept
    this.#affinity = affinity
    this.#features = features
    this.ranking = ranking
  }

  get strategy(): string {
    return this.#strategy.id
  }

  get considered(): readonly Consideration[] {
    return this.#dropped === undefined ? this.#allKept : consider(this.group, this.#dropped)
  }

  why(): string {
    if (this.group.direct) return 'asked for by deployment id'
    if (this.ranking !== undefined) return this.ranking.decision.because
    const chosen = this.candidates[0] as Candidate
    const order = chosen.deployment.order === undefined ? '' : `order ${chosen.deployment.order}, `
    if (this.#affinity === 'preferred') return `${order}prompt-cache affinity: this prefix goes to this deployment`
    const spill = this.#affinity === 'spilled' ? '; the deployment this prompt prefix belongs to is too busy' : ''
    return order + this.#strategy.why(chosen, this.#lead, this.#features) + spill
  }
}

/**
 * One call to one deployment, from start to verdict. Ends once: what is reported after that is ignored, so that a
 * timeout racing with an answer cannot count twice.
 */
export class RouteAttempt {
  readonly deployment: Deployment
  /** The one call that decides whether a cooling deployment is back. */
  readonly probe: boolean
  readonly #live: LiveStats
  readonly #cooldown: Cooldown
  readonly #settings: RoutingSettings
  readonly #group: ModelGroup
  readonly #promptTokens: number
  #ended = false

  constructor(
    live: LiveStats,
    cooldown: Cooldown,
    settings: RoutingSettings,
    group: ModelGroup,
    deployment: Deployment,
    promptTokens: number,
    probe: boolean,
  ) {
    this.#live = live
    this.#cooldown = cooldown
    this.#settings = settings
    this.#group = group
    this.deployment = deployment
    this.#promptTokens = promptTokens
    this.probe = probe
  }

  succeeded(outcome: AttemptOutcome): void {
    if (this.#end()) return
    this.#live.finished(this.deployment, outcome, this.#promptTokens)
    this.#cooldown.succeeded(this.deployment, this.probe)
  }

  failed(failure: UpstreamFailure): void {
    if (this.#end()) return
    this.#live.failed(this.deployment, failure, this.#promptTokens)
    this.#cooldown.failed(this.deployment, failure, {
      policy: this.#settings,
      groupSize: this.#group.direct ? 1 : this.#group.deployments.length,
      probe: this.probe,
    })
  }

  /**
   * The attempt ended through no doing of the deployment: the caller left, the request could not be translated, or a
   * deadline passed that the caller set itself (else a caller with a tiny timeout could cool down a model for all).
   */
  aborted(): void {
    if (this.#end()) return
    this.#live.aborted(this.deployment, this.#promptTokens)
    this.#cooldown.aborted(this.deployment, this.probe)
  }

  #end(): boolean {
    const ended = this.#ended
    this.#ended = true
    return ended
  }
}

function consider(group: ModelGroup, dropped: readonly (DropReason | undefined)[] | undefined): Consideration[] {
  return group.deployments.map((deployment, i) => ({ deployment, dropped: dropped?.[i] }))
}

function toFront(ranked: readonly Candidate[], index: number): Candidate[] {
  const moved = ranked.slice()
  const chosen = moved.splice(index, 1)
  return chosen.concat(moved)
}

function deploymentOf({ deployment }: Candidate): Deployment {
  return deployment
}
