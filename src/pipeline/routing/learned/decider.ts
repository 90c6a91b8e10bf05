import { explore as thompson } from '../../../learning/bandits/thompson.ts'
import type { DecisionReason, RoutingDecision } from '../../../learning/decision.ts'
import { choose, computeUtility, type Goal, order } from '../../../learning/objective/choose.ts'
import { constrain, removeDominated } from '../../../learning/objective/constrain.ts'
import { type Explored, explore } from '../../../learning/objective/explore.ts'
import { Scores } from '../../../learning/objective/scores.ts'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import type { Assignment } from '../../../learning/rollout/port.ts'
import type { Deployment } from '../../deployment.ts'
import type { Candidate, ModelGroup, Ranking, RoutingContext, RoutingQuestion, Strategy } from '../types.ts'
import { type ArmSet, armSetOf } from './arm-set.ts'
import { boundsOf, hybrid, preferReasoning } from './bounds.ts'
import { asDecision, type Choice } from './decision-record.ts'
import { goalOf } from './goal.ts'
import { LearnedRanking } from './learned-ranking.ts'
import type { LearnedServices } from './learned-services.ts'
import { highestBound, moveByArms } from './linear-bandit.ts'
import { noModelFits } from './no-model-fits.ts'
import { cheapest, cheapestFirst, firstOf, preferFirst } from './places.ts'
import { type Preference, preferenceOf } from './preferences.ts'
import { profiles } from './profiles.ts'
import { removeUnavailable } from './remove-unavailable.ts'
import type { RoutePolicy } from './route-policy.ts'
import { type Reading, scoreCall } from './score-call.ts'
import { applySession, sessionOf } from './sessions.ts'
import type { Targets } from './targets.ts'

/** Models of one pool; more are not looked at (pools of four to six are best, see docs). */
const maxArms = 64
/** Artifacts a group is seen through at a time: the active one, a candidate, a shadow, and what comes and goes. */
const maxArtifacts = 8

/** One decision: predictions → constraints → utility → session → exploration → order. State: only reused buffers. */
export class Decider {
  readonly #policy: RoutePolicy
  readonly #inner: Strategy
  readonly #services: LearnedServices
  readonly #strategyOf: (name: string) => Strategy | undefined
  readonly #sets = new WeakMap<ModelGroup, Map<string, ArmSet>>()
  readonly #targets = new WeakMap<ModelGroup, Targets>()
  readonly #scores = new Scores(maxArms)
  readonly #order = new Int32Array(maxArms)
  /** LinUCB's, per candidate. */
  readonly #widths = new Float64Array(maxArms)
  readonly #reading: Reading = { familiarity: 0, cluster: -1, because: '', features: undefined }
  readonly #explored: Explored = { index: 0, explored: false, propensity: 1 }

  constructor(
    policy: RoutePolicy,
    inner: Strategy,
    services: LearnedServices,
    strategyOf: (name: string) => Strategy | undefined,
  ) {
    this.#policy = policy
    this.#inner = inner
    this.#services = services
    this.#strategyOf = strategyOf
  }

  /** Undefined: there is nothing to choose. @throws GatewayError `no_model_fits` */
  decide(asked: RoutingQuestion, context: RoutingContext, started: number): Ranking | undefined {
    const policy = this.#policy
    const { group, features } = asked
    const assigned = this.#services.loop.assign(policy.router, context.stickyKey)
    const artifact =
      assigned?.artifact ??
      (policy.artifactPath === undefined ? undefined : this.#services.artifacts.current(policy.artifactPath))
    const set = this.#setOf(group, artifact)
    if (set.arms.length < 2 || set.arms.length > maxArms) return undefined
    const preference = preferenceOf(policy, context)
    const open = openTo(preference)
    const kept = open === undefined ? asked.kept : asked.kept.filter(({ deployment }) => open(deployment))
    const question = kept === asked.kept ? asked : { ...asked, kept }
    const scores = this.#scores
    scores.clear()
    for (const { name } of set.arms) scores.add(name)
    const lead = leads(set, question)
    removeUnavailable(scores, set, question, lead, policy)
    const reading = this.#reading
    const other =
      assigned?.strategy !== undefined && assigned.strategy !== policy.strategy ? assigned.strategy : undefined
    // Arms and cells learn from the same feedback: one of them is asked.
    const linear = policy.chooses === 'linucb'
    const { loop } = this.#services
    scoreCall(set, artifact, policy.predicts, context, lead, linear ? undefined : loop, scores, reading)
    if (linear) moveByArms(scores, set, artifact, reading.features, loop, this.#widths)
    const profile = context.overrides.profile ?? policy.profile
    const session = sessionOf(this.#services, policy, set, context)
    applySession(scores, set, session, context, policy, this.#services)
    const left = constrain(scores, boundsOf(policy, context, set, scores))
    if (left === 0) throw noModelFits(group, scores, question)
    const targets = this.#targetsOf(group)
    targets.add(scores)
    const goal = goalOf(policy, context, set, artifact, targets)
    computeUtility(scores, goal)
    if (profile !== undefined && profiles[profile].reasoning) preferReasoning(scores, set)
    if (policy.chooses === 'hybrid') hybrid(scores, set, policy)
    // Who is drawn by chance may turn out better than it looks.
    if (policy.chooses !== 'thompson' && !linear) removeDominated(scores)
    const choice = this.#choose(question, goal, session, preference, assigned, other, artifact, set)
    const length = order(scores, choice.index, this.#order)
    const places = new Array<number>(length)
    for (let i = 0; i < length; i++) places[i] = this.#order[i] as number
    if (choice.reason === 'cascade') cheapestFirst(places, scores)
    if (preference !== undefined) preferFirst(places, choice.index, preference, set)
    const recorded = this.#services.loop.keeps()
    const decision = asDecision({
      policy,
      artifact,
      scores,
      set,
      lead,
      goal,
      choice,
      reading,
      assigned,
      recorded,
      keepsFeatures: recorded || this.#services.log !== undefined,
      started,
    })
    if (assigned?.shadow !== undefined) this.#shadowLater(decision, assigned.shadow, question, context, goal)
    return new LearnedRanking(decision, policy, set, places, this.#inner, open, kept, features, question.random)
  }

  #choose(
    question: RoutingQuestion,
    goal: Goal,
    session: number,
    preference: Preference | undefined,
    assigned: Assignment | undefined,
    other: string | undefined,
    artifact: TrainedRouter | undefined,
    set: ArmSet,
  ): Choice {
    const scores = this.#scores
    const policy = this.#policy
    const { random, features, kept } = question
    const reading = this.#reading
    const context = features.routing as RoutingContext
    const settled = (index: number, reason: DecisionReason, because: string): Choice => ({
      index,
      reason,
      because,
      explored: false,
      propensity: 1,
      strategy: policy.strategy,
    })
    if (preference?.only !== true && session >= 0 && scores.kept(session) && context.prompt.shape.inToolLoop) {
      return settled(session, 'tool_loop', 'in the middle of a tool loop: no change of model')
    }
    if (preference !== undefined) {
      const wanted = firstOf(preference, set, scores)
      if (wanted >= 0) return settled(wanted, preference.reason, preference.because)
    }
    if (other !== undefined) {
      const place = this.#byOther(other, kept, features, random, set)
      if (place >= 0) return { ...settled(place, 'experiment', `experiment: ${other}`), strategy: other }
    }
    if (policy.cascade !== undefined && !context.prompt.shape.stream) {
      return settled(cheapest(scores), 'cascade', 'cascade: the cheapest first, its answer is checked')
    }
    const best = choose(scores, goal.tie)
    const predicted = artifact !== undefined && policy.predicts.kind === 'method'
    const reason: DecisionReason = assigned?.reason ?? (predicted ? 'learned' : guessed(policy))
    if (session >= 0 && scores.kept(session)) {
      // A session is no place to experiment: the propensity is that of a rule.
      if (best !== session) return settled(best, reason, reading.because)
      const bonus = scores.bonus[session] as number
      scores.utility[session] = (scores.utility[session] as number) - bonus
      const alone = choose(scores, goal.tie)
      scores.utility[session] = (scores.utility[session] as number) + bonus
      return alone === session
        ? settled(best, reason, reading.because)
        : settled(best, 'sticky_session', 'the session stays: no other model is better by more than the change costs')
    }
    if (policy.shuffles && artifact === undefined) return this.#evenly(random, settled(best, 'explored', ''))
    if (policy.chooses === 'thompson') return this.#thompson(random, settled(best, reason, reading.because))
    const into = this.#explored
    const more = this.#services.loop.exploration(policy.router)
    const regret = policy.explorationRegret
    // Without chance: what LinUCB takes has the propensity of a rule.
    const first =
      policy.chooses === 'linucb'
        ? highestBound(scores, best, this.#widths, { alpha: policy.alpha * more, regret })
        : best
    explore(scores, first, { share: policy.exploration * more, regret }, random, into)
    const tried = into.explored ? 'explored: near the best, to learn from' : 'explored: least is known of it here'
    const explored = into.explored || into.index !== best
    return {
      index: into.index,
      reason: explored ? 'explored' : reason,
      because: explored ? tried : reading.because,
      explored,
      propensity: into.propensity,
      strategy: policy.strategy,
    }
  }

  /** Nothing is known: every model that may be chosen is as good as any. */
  #evenly(random: () => number, drawn: Choice): Choice {
    const scores = this.#scores
    const places: number[] = []
    for (let i = 0; i < scores.count; i++) {
      if (scores.kept(i) || scores.removedBy(i) === 'dominated') places.push(i)
    }
    const index = places[Math.floor(random() * places.length)] ?? drawn.index
    const because = `no artifact yet: drawn evenly from ${places.length}`
    return { ...drawn, index, because, explored: true, propensity: 1 / places.length }
  }

  /** Every call is drawn with the probability that its model is the best; among those near the best only. */
  #thompson(random: () => number, best: Choice): Choice {
    const scores = this.#scores
    const places: number[] = []
    for (let i = 0; i < scores.count; i++) if (scores.removed[i] === 0) places.push(i)
    const arms = places.map(i => ({
      mean: scores.quality[i] as number,
      variance: Math.max(1e-4, scores.variance[i] as number),
      penalty: (scores.quality[i] as number) - (scores.utility[i] as number),
    }))
    const drawn = thompson(arms, { share: 1, maxRegret: this.#policy.explorationRegret }, random)
    const index = places[drawn.index] ?? best.index
    const explored = index !== best.index
    return {
      ...best,
      index,
      reason: explored ? 'explored' : best.reason,
      because: explored ? 'explored: drawn by how likely it is the best' : best.because,
      explored,
      propensity: drawn.propensity,
    }
  }

  /** An arm of an experiment decides by another strategy. */
  #byOther(
    name: string,
    kept: readonly Candidate[],
    features: RoutingQuestion['features'],
    random: () => number,
    set: ArmSet,
  ): number {
    const strategy = this.#strategyOf(name)
    if (strategy === undefined) return -1
    const scores = this.#scores
    const allowed = kept.filter(({ deployment }) => {
      const place = set.byDeployment.get(deployment.id)
      return place !== undefined && scores.kept(place)
    })
    if (allowed.length === 0) return -1
    if (strategy.decide !== undefined) return -1
    const first = strategy.rank(allowed, features, random)[0]
    return first === undefined ? -1 : (set.byDeployment.get(first.deployment.id) ?? -1)
  }

  /**
   * When the call is on its way to the vendor, so that no call waits for what is only looked at: two turns of the event
   * loop on, because undici looks for a turn whether a resting connection is still there before it writes.
   */
  #shadowLater(
    decision: RoutingDecision,
    artifact: TrainedRouter,
    question: RoutingQuestion,
    context: RoutingContext,
    goal: Goal,
  ): void {
    const look = (): void => {
      try {
        const shadow = this.#shadow(artifact, question, context, goal)
        if (shadow !== undefined) decision.shadow = shadow
      } catch (error) {
        this.#services.events.passedOver(this.#policy.strategy, 'error', error)
      }
    }
    setImmediate(() => setImmediate(look))
  }

  /** What another artifact would have chosen by the same goal, for the record. */
  #shadow(
    artifact: TrainedRouter,
    question: RoutingQuestion,
    context: RoutingContext,
    goal: Goal,
  ): { artifact: string; chosen: string; quality: number; cost: number } | undefined {
    const set = this.#setOf(question.group, artifact)
    const scores = new Scores(set.arms.length)
    for (const { name } of set.arms) scores.add(name)
    const lead = leads(set, question)
    removeUnavailable(scores, set, question, lead, this.#policy)
    const reading: Reading = { familiarity: 0, cluster: -1, because: '', features: undefined }
    scoreCall(set, artifact, this.#policy.predicts, context, lead, undefined, scores, reading)
    constrain(scores, boundsOf(this.#policy, context, set, scores))
    computeUtility(scores, goal)
    const chosen = choose(scores, goal.tie)
    if (chosen < 0) return undefined
    return {
      artifact: artifact.id.slice(0, 12),
      chosen: scores.names[chosen] as string,
      quality: scores.quality[chosen] as number,
      cost: scores.cost[chosen] as number,
    }
  }

  #targetsOf(group: ModelGroup): Targets {
    let targets = this.#targets.get(group)
    if (targets === undefined) {
      targets = this.#services.targetsOf(`${this.#policy.hash}/${group.name}`)
      this.#targets.set(group, targets)
    }
    return targets
  }

  #setOf(group: ModelGroup, artifact: TrainedRouter | undefined): ArmSet {
    let sets = this.#sets.get(group)
    if (sets === undefined) {
      sets = new Map()
      this.#sets.set(group, sets)
    }
    const key = artifact?.id ?? ''
    let set = sets.get(key)
    if (set === undefined) {
      if (sets.size >= maxArtifacts) sets.clear()
      set = armSetOf(group, artifact, { labels: this.#policy.labels, stated: this.#policy.stated })
      sets.set(key, set)
    }
    return set
  }
}

function openTo(preference: Preference | undefined): ((deployment: Deployment) => boolean) | undefined {
  const only = preference?.only === true ? preference.groups : undefined
  return only === undefined ? undefined : ({ group }) => only.includes(group)
}

function guessed({ strategy, predicts }: RoutePolicy): DecisionReason {
  if (predicts.kind === 'custom') return 'learned'
  if (predicts.kind === 'size') return 'rule'
  return strategy === 'complexity' ? 'complexity' : 'centroid'
}

function leads(set: ArmSet, { kept }: RoutingQuestion): (Candidate | undefined)[] {
  const lead = new Array<Candidate | undefined>(set.arms.length).fill(undefined)
  for (const candidate of kept) {
    const place = set.byDeployment.get(candidate.deployment.id)
    if (place !== undefined && lead[place] === undefined) lead[place] = candidate
  }
  return lead
}
