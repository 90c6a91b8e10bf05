import type { RoutingDecision } from '../../../learning/decision.ts'
import { newId } from '../../../platform/ids.ts'
import type { Call } from '../../call.ts'

/** What is known of a decided call when it is over. */
export interface DecidedOutcome {
  readonly decision: RoutingDecision
  readonly router: string
  /** Model that answered; undefined: none did. */
  readonly answering: string | undefined
  /** Nano-dollars; −1: no price; undefined: nothing was used. */
  readonly cost: number | undefined
  /** Milliseconds. */
  readonly duration: number
}

/**
 * RouteIQ's `routeiq.router_decision.v1`, with our numbers in `custom_attributes`. Names, numbers and hashes; no text of
 * prompt or answer.
 */
export function decisionEvent(call: Call, outcome: DecidedOutcome): object {
  const { decision, router, answering, cost, duration } = outcome
  const { usage, identity, plans, deployment, routed } = call
  const first = plans[0]
  const milliseconds = decision.microseconds / 1000
  return {
    contract_name: 'routeiq.router_decision',
    contract_version: 'v1',
    event_id: newId(call.epoch),
    trace_id: null,
    span_id: null,
    parent_span_id: null,
    timestamp_utc: new Date(call.epoch).toISOString(),
    timestamp_unix_ms: call.epoch,
    input: {
      requested_model: call.model,
      query_length: routed?.context.prompt.text.length ?? 0,
      user_id: identity.userId ?? null,
      team_id: identity.teamId ?? null,
      api_type: call.door.operation,
      request_metadata: { request_id: call.id, key_hash: identity.keyHash, stream: call.stream },
    },
    strategy_name: decision.strategy,
    strategy_version: decision.artifact ?? null,
    candidate_deployments: decision.candidates.map(candidate => ({
      model_name: candidate.model,
      provider: providerOf(call, candidate.deployment),
      score: rounded(candidate.utility),
      available: candidate.removedBy === undefined || candidate.removedBy === 'dominated',
      deployment_id: candidate.deployment,
      quality: rounded(candidate.quality),
      variance: rounded(candidate.variance),
      cost_usd: rounded(candidate.cost),
      latency_ms: candidate.latency === undefined ? null : rounded(candidate.latency),
      removed_by: candidate.removedBy ?? null,
    })),
    selected_deployment: first?.chosen ?? null,
    selection_reason: decision.reason,
    experiment:
      decision.assignment === undefined
        ? null
        : { experiment_id: decision.assignment.experiment, variant: decision.assignment.arm },
    timings: { total_ms: milliseconds, strategy_ms: milliseconds },
    outcome: {
      status: outcomeStatus(call),
      http_status: call.status,
      error_type: call.error ?? null,
      tokens: usage === undefined ? null : { input: usage.input, output: usage.output },
      cost_nano_usd: cost === undefined || cost < 0 ? null : cost,
      latency_ms: Math.round(duration * 1000) / 1000,
      ttft_ms: call.ttft ?? null,
      finish_reason: call.inspected?.finish ?? null,
      checks: call.inspected?.checks ?? null,
      answered_by: answering ?? null,
      deployment_id: deployment?.id ?? null,
      api_type: call.door.operation,
    },
    fallback: {
      fallback_triggered: call.fallbacks > 0,
      original_model: call.fallbacks > 0 ? call.model : null,
      fallback_reason: call.fallbacks > 0 ? (call.hops.find(hop => hop.error !== undefined)?.error ?? null) : null,
      fallback_attempt: call.fallbacks,
    },
    custom_attributes: {
      router,
      chosen: decision.chosen,
      because: decision.because,
      lambda: decision.lambda,
      mu: decision.mu,
      explored: decision.explored,
      propensity: decision.propensity,
      familiarity: rounded(decision.familiarity),
      cluster: decision.cluster,
      policy: decision.policy,
      shadow: decision.shadow ?? null,
      features: decision.features ?? null,
      attempts: call.hops.length,
      retries: call.retries,
    },
  }
}

function outcomeStatus({ status, error, fallbacks }: Call): string {
  if (error === undefined && status === 200) return fallbacks > 0 ? 'fallback' : 'success'
  if (error === 'timeout' || error === 'upstream_timeout') return 'timeout'
  if (error === 'no_deployment_available' || error === 'no_model_fits') return 'no_candidates'
  return status === 499 ? 'error' : 'failure'
}

const providerOf = ({ snapshot }: Call, deployment: string): string | null =>
  snapshot.router.index.resolve(deployment)?.deployments[0]?.target.vendor.id ?? null

/** Five digits: what a prediction has to say. NaN becomes null in JSON. */
const rounded = (value: number): number => Number(value.toPrecision(5))
