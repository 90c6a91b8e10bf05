import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import type { Cooldown } from './cooldown.ts'
import type { LiveStats } from './live-stats.ts'
import type {
  CallFeatures,
  Candidate,
  Consideration,
  Demands,
  DeploymentLimits,
  DropReason,
  LiveView,
  ModelGroup,
} from './types.ts'

export interface FilterRules {
  readonly cooldown: Pick<Cooldown, 'admits'>
  /** False for a call by deployment id, and where `disable_cooldowns` is set. */
  readonly cooldowns: boolean
  /** `enable_pre_call_checks`. */
  readonly preCallChecks: boolean
  /** rpm and tpm are caps, not only weights. */
  readonly limits: boolean
  readonly exclude: ReadonlySet<string> | undefined
  readonly shared?: DeploymentLimits | undefined
  /** Lower case; undefined: calls may go anywhere. */
  readonly regions?: ReadonlySet<string> | undefined
  /** Groups the caller may use, for a name that is a choice among them; undefined: any. */
  readonly mayUse?: ((group: string) => boolean) | undefined
}

/** The first rule that speaks against a deployment, in LiteLLM's order; undefined when it may take the call. */
export function dropReason(
  deployment: Deployment,
  live: LiveView,
  features: CallFeatures,
  rules: FilterRules,
): DropReason | undefined {
  if (rules.exclude?.has(deployment.id)) return 'already_failed'
  if (rules.mayUse?.(deployment.group) === false) return 'not_allowed'
  const demanded = demandedReason(deployment, features.demands, rules.regions)
  if (demanded !== undefined) return demanded
  if (rules.cooldowns && !rules.cooldown.admits(deployment)) return 'cooling_down'
  if (rules.preCallChecks) {
    if (!fitsContext(deployment, features)) return 'context_window'
    if (!supports(deployment, features.needs)) return 'unsupported_params'
  }
  if (rules.limits) {
    if (deployment.rpm !== undefined && live.rpm >= deployment.rpm) return 'over_rpm'
    // The lower bound of the prompt: a call is refused only when it is certain not to fit.
    if (deployment.tpm !== undefined && live.tpm + features.promptTokensMin > deployment.tpm) return 'over_tpm'
  }
  if (atParallelLimit(deployment, live.inFlight)) return 'parallel_limit'
  return rules.shared?.over(deployment)
}

/** Where a call may go, said by the operator for all and by the caller for its own. An unknown region is none of them. */
function demandedReason(
  { group, region, target }: Deployment,
  demands: Demands | undefined,
  regions: ReadonlySet<string> | undefined,
): DropReason | undefined {
  if (regions !== undefined && (region === undefined || !regions.has(region.toLowerCase()))) return 'region'
  if (demands === undefined) return undefined
  if (demands.region !== undefined && region?.toLowerCase() !== demands.region) return 'region'
  const { models } = demands
  if (models === undefined || models.has(group.toLowerCase())) return undefined
  const model = target.model.toLowerCase()
  return models.has(model) || models.has(`${target.vendor.id}/${model}`) ? undefined : 'not_allowed'
}

export function atParallelLimit({ maxParallelRequests }: Deployment, inFlight: number): boolean {
  return maxParallelRequests !== undefined && inFlight >= maxParallelRequests
}

/** Counts tokens only when the cheap bounds stand on both sides of the limit. */
function fitsContext({ target }: Deployment, features: CallFeatures): boolean {
  const limit = target.capabilities.maxInputTokens
  if (limit === undefined || features.promptTokensMax <= limit) return true
  return features.promptTokensMin <= limit && features.countPromptTokens() <= limit
}

/** Only what is known not to be supported counts against a model: the price map does not know everything. */
function supports({ target }: Deployment, needs: CallFeatures['needs']): boolean {
  const known = target.capabilities
  if (known.functionCalling === false && needs.tools) return false
  if (known.vision === false && needs.vision) return false
  if (known.audioInput === false && needs.audio) return false
  return !(known.responseSchema === false && known.nativeStructuredOutput !== true && needs.jsonSchema)
}

/**
 * Splits candidates by `order`, lowest first; deployments without one come last. The first tier takes the calls, the
 * later ones stand by for failover inside the group.
 */
export function tiers(candidates: readonly Candidate[]): Candidate[][] {
  const byOrder = new Map<number, Candidate[]>()
  for (const candidate of candidates) {
    const order = candidate.deployment.order ?? Number.POSITIVE_INFINITY
    const tier = byOrder.get(order)
    if (tier === undefined) byOrder.set(order, [candidate])
    else tier.push(candidate)
  }
  return [...byOrder].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, tier]) => tier)
}

/** Seconds to suggest when nothing better is known: a call in flight may end at any moment. */
const soon = 1

/** Why nobody could take the call, as the error the caller gets and fallbacks are chosen by. */
export function nobodyLeft(
  group: ModelGroup,
  considered: readonly Consideration[],
  cooldown: Pick<Cooldown, 'coolingUntil'>,
  live: LiveStats,
  now: number,
  shared?: DeploymentLimits,
): GatewayError {
  const untried = considered.filter(({ dropped }) => dropped !== 'already_failed')
  const all = (reason: DropReason) => untried.length > 0 && untried.every(({ dropped }) => dropped === reason)
  if (all('context_window')) {
    const largest = Math.max(...untried.map(({ deployment }) => deployment.target.capabilities.maxInputTokens ?? 0))
    return new GatewayError(
      'context_length_exceeded',
      `The prompt is too long for every deployment of '${group.name}': the largest takes ${largest} tokens. Shorten it, or configure context_window_fallbacks for '${group.name}'.`,
      { param: 'messages' },
    )
  }
  if (
    untried.length > 0 &&
    untried.every(({ dropped }) => dropped === 'unsupported_params' || dropped === 'context_window')
  ) {
    return new GatewayError(
      'unsupported_params',
      `No deployment of '${group.name}' supports what the request uses (tools, images, audio or a JSON schema).`,
    )
  }
  if (untried.length > 0 && untried.every(({ dropped }) => dropped === 'region' || dropped === 'not_allowed')) {
    return new GatewayError(
      'no_model_fits',
      `No deployment of '${group.name}' may take this call (${summary(considered)}): it is bound to regions or models by routeiq.routing.allowed_regions, by what its key may use or by its own demands.`,
    )
  }
  let wait = Number.POSITIVE_INFINITY
  for (const { deployment, dropped } of considered) {
    let own = Number.POSITIVE_INFINITY
    if (dropped === 'cooling_down') own = (cooldown.coolingUntil(deployment) ?? now) - now
    else if (dropped === 'over_rpm' || dropped === 'over_tpm' || dropped === 'over_budget') {
      const free = shared?.untilFree(deployment) ?? Number.POSITIVE_INFINITY
      own = Number.isFinite(free) || dropped === 'over_budget' ? free : live.untilCapacity(deployment)
    } else if (dropped === 'parallel_limit') own = soon * 1000
    if (own < wait) wait = own
  }
  const retryAfter = Number.isFinite(wait) ? Math.max(soon, Math.ceil(wait / 1000)) : soon
  return new GatewayError(
    'no_deployment_available',
    `No deployments available for '${group.name}' (${summary(considered)}). Try again in ${retryAfter} seconds.`,
    { retryAfter },
  )
}

/** `2 cooling down, 1 over rpm` */
function summary(considered: readonly Consideration[]): string {
  const counts = new Map<DropReason, number>()
  for (const { dropped } of considered) {
    if (dropped !== undefined) counts.set(dropped, (counts.get(dropped) ?? 0) + 1)
  }
  return [...counts].map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`).join(', ')
}
