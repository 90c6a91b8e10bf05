import { explore as thompson } from '../../../learning/bandits/thompson.ts'
import type { DecisionReason } from '../../../learning/decision.ts'
import { choose, computeUtility, type Goal, order } from '../../../learning/objective/choose.ts'
import { type Bounds, constrain, removeDominated } from '../../../learning/objective/constrain.ts'
import { type Explored, explore } from '../../../learning/objective/explore.ts'
import { Scores } from '../../../learning/objective/scores.ts'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import type { Assignment } from '../../../learning/rollout/port.ts'
import type { Deployment } from '../../deployment.ts'
import type { Candidate, ModelGroup, Ranking, RoutingContext, RoutingQuestion, Strategy } from '../types.ts'
import { type ArmSet, armSetOf } from './arm-set.ts'
import { asDecision, type Choice } from './decision-record.ts'
import { goalOf } from './goal.ts'
import { LearnedRanking } from './learned-ranking.ts'
import type { LearnedServices } from './learned-services.ts'
import { noModelFits } from './no-model-fits.ts'
import { type Preference, preferenceOf } from './preferences.ts'
import { profiles } from './profiles.ts'
import { removeUnavailable } from './remove-unavailable.ts'
import type { RoutePolicy } from './route-policy.ts'
import { type Reading, scoreCall } from './score-call.ts'
import { applySession, sessionOf } from './sessions.ts'

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
  readonly #scores = new Scores(maxArms)
  readonly #order = new Int32Array(maxArms)
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
    const open = openTo(group, context, preference)
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
    scoreCall(set, artifact, policy.predicts, context, lead, this.#services.loop, scores, reading)
    const profile = context.overrides.profile ?? policy.profile
    const session = sessionOf(this.#services, policy, set, context)
    applySession(scores, set, session, context, policy, this.#services)
    const left = constrain(scores, boundsOf(policy, context, set, scores))
    if (left === 0) throw noModelFits(group, scores, question)
    const targets = this.#services.targetsOf(`${policy.hash}/${group.name}`)
    targets.add(scores)
    const goal = goalOf(policy, context, set, artifact, targets)
    computeUtility(scores, goal)
    if (profile !== undefined && profiles[profile].reasoning) preferReasoning(scores, set)
    if (policy.chooses === 'hybrid') hybrid(scores, set, policy)
    // Who is drawn by chance may turn out better than it looks.
    if (policy.chooses !== 'thompson') removeDominated(scores)
    const choice = this.#choose(question, goal, session, preference, assigned, other, artifact, set)
    const length = order(scores, choice.index, this.#order)
    const places = Array.from(this.#order.subarray(0, length))
    if (choice.reason === 'cascade') cheapestFirst(places, scores)
    if (preference !== undefined) preferFirst(places, choice.index, preference, set)
    const shadow = assigned?.shadow === undefined ? undefined : this.#shadow(assigned.shadow, question, context, goal)
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
      shadow,
      keepsFeatures: this.#services.keepsFeatures,
      started,
    })
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
    if (policy.chooses === 'thompson') return this.#thompson(random, settled(best, reason, reading.because))
    const into = this.#explored
    const more = this.#services.loop.exploration(policy.router)
    explore(scores, best, { share: policy.exploration * more, regret: policy.explorationRegret }, random, into)
    return {
      index: into.index,
      reason: into.explored ? 'explored' : reason,
      because: into.explored ? 'explored: near the best, to learn from' : reading.because,
      explored: into.explored,
      propensity: into.propensity,
      strategy: policy.strategy,
    }
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

/**
 * Deployments that this call is bound to, beyond the filters of every call; undefined: all. A caller was asked about the
 * name it used; the groups behind a virtual name have names of their own, and it must be allowed those too.
 */
function openTo(
  group: ModelGroup,
  context: RoutingContext,
  preference: Preference | undefined,
): ((deployment: Deployment) => boolean) | undefined {
  const only = preference?.only === true ? preference.groups : undefined
  const restricted = group.strategy !== undefined && context.restricted
  if (only === undefined && !restricted) return undefined
  return ({ group: own }) => (only === undefined || only.includes(own)) && (!restricted || context.mayUse(own))
}

/** What decided, where no artifact did. */
function guessed({ strategy, predicts }: RoutePolicy): DecisionReason {
  if (predicts.kind === 'custom') return 'learned'
  if (predicts.kind === 'size') return 'rule'
  return strategy === 'complexity' ? 'complexity' : 'centroid'
}

/** Per model the deployment that would be called: the first that is up. */
function leads(set: ArmSet, { kept }: RoutingQuestion): (Candidate | undefined)[] {
  const lead = new Array<Candidate | undefined>(set.arms.length).fill(undefined)
  for (const candidate of kept) {
    const place = set.byDeployment.get(candidate.deployment.id)
    if (place !== undefined && lead[place] === undefined) lead[place] = candidate
  }
  return lead
}

function boundsOf(policy: RoutePolicy, { overrides }: RoutingContext, set: ArmSet, scores: Scores): Bounds {
  const { bounds } = policy
  const profile = overrides.profile ?? policy.profile
  let { maxCost, maxLatency, floor, minQuality } = bounds
  // A caller may tighten what the operator set, not loosen it.
  if (overrides.maxCost !== undefined) maxCost = Math.min(overrides.maxCost, maxCost ?? Number.POSITIVE_INFINITY)
  if (overrides.maxLatency !== undefined) {
    maxLatency = Math.min(overrides.maxLatency, maxLatency ?? Number.POSITIVE_INFINITY)
  }
  if (profile !== undefined && profiles[profile].free) maxCost = 0
  if (floor !== undefined) {
    const place = set.find(floor.reference)
    floor = place < 0 ? undefined : { ...floor, reference: scores.names[place] as string }
  }
  // A floor that nobody reaches would refuse the call: then it is the best there is.
  if (minQuality !== undefined) {
    let highest = 0
    for (let i = 0; i < scores.count; i++) {
      if (scores.removed[i] === 0) highest = Math.max(highest, scores.quality[i] as number)
    }
    minQuality = Math.min(minQuality, highest)
  }
  return { maxCost, maxLatency, floor, minQuality }
}

/** Models known to reason come first, where one is left. */
function preferReasoning(scores: Scores, set: ArmSet): void {
  for (let i = 0; i < scores.count; i++) {
    if (set.arms[i]?.reasons === true) scores.utility[i] = (scores.utility[i] as number) + 1
  }
}

/** Hybrid LLM: the small model where it is as good as the large one with enough probability. */
function hybrid(scores: Scores, set: ArmSet, { pair, hybridThreshold }: RoutePolicy): void {
  const strong = pair?.strong === undefined ? set.strongest : set.find(pair.strong)
  const weak = pair?.weak === undefined ? set.cheapest : set.find(pair.weak)
  if (strong < 0 || weak < 0 || strong === weak) return
  const gap = (scores.quality[weak] as number) - (scores.quality[strong] as number)
  const spread = Math.sqrt((scores.variance[weak] as number) + (scores.variance[strong] as number)) || 1e-6
  scores.utility[strong] = hybridThreshold
  scores.utility[weak] = 1 / (1 + Math.exp((-1.702 * gap) / spread))
}

/** Of what is kept; the better of two that cost the same. */
function cheapest(scores: Scores): number {
  let found = -1
  for (let i = 0; i < scores.count; i++) {
    if (scores.kept(i) && (found < 0 || dearness(scores, i) < dearness(scores, found))) found = i
  }
  return found
}

const dearness = ({ cost }: Scores, i: number): number => {
  const own = cost[i] as number
  return Number.isNaN(own) ? Number.POSITIVE_INFINITY : own
}

/** The ladder of a cascade: what another beats in everything is no rung. */
function cheapestFirst(places: number[], scores: Scores): void {
  places.splice(0, places.length, ...places.filter(place => scores.kept(place)))
  places.sort((a, b) => dearness(scores, a) - dearness(scores, b))
}

function firstOf({ groups }: Preference, set: ArmSet, scores: Scores): number {
  for (const group of groups) {
    for (let i = 0; i < scores.count; i++) {
      const available = scores.kept(i) || scores.removedBy(i) === 'dominated'
      if (available && set.arms[i]?.deployments.some(deployment => deployment.group === group) === true) return i
    }
  }
  return -1
}

/** Wanted groups before all others, in their order; the chosen one stays first. */
function preferFirst(places: number[], chosen: number, { groups, only }: Preference, set: ArmSet): void {
  const rankOf = (place: number): number => {
    if (place === chosen) return -1
    const at = groups.findIndex(group => set.arms[place]?.deployments.some(own => own.group === group) === true)
    return at < 0 ? groups.length : at
  }
  places.sort((a, b) => rankOf(a) - rankOf(b))
  if (only) places.splice(0, places.length, ...places.filter(place => rankOf(place) < groups.length))
}
