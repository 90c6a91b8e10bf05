import type { RouterDecisionRow } from '../../platform/store/learning-tables.ts'
import type { RoutingDecision } from '../decision.ts'
import type { AnswerChecks, CallOutcome, DecidedCall } from '../rollout/port.ts'
import { toMicro } from './micro.ts'

/** A decided and settled call on its way into the store. */
export interface SettledDecision {
  readonly decision: RoutingDecision
  readonly call: DecidedCall
  readonly outcome: CallOutcome
}

/** Candidates written down: the best and the removed beyond these say nothing new. */
const maxCandidates = 24
const digits = 6

/**
 * The row of one decision. `because` stays out: it is words for people, made of a vocabulary that came from prompts; the
 * codes beside it say the same.
 */
export function decisionRow({ decision, call, outcome }: SettledDecision, recordedAt: number): RouterDecisionRow {
  const chosen = decision.candidates.find(({ model }) => model === decision.chosen)
  return {
    id: call.recordId,
    call_id: call.callId === call.recordId ? null : call.callId,
    at: Math.floor(call.at),
    recorded_at: Math.floor(recordedAt),
    router: call.router,
    route: call.route,
    token: call.token,
    user_id: call.userId ?? null,
    team_id: call.teamId ?? null,
    strategy: decision.strategy,
    reason: decision.reason,
    artifact: decision.artifact ?? null,
    chosen: decision.chosen,
    cluster: decision.cluster,
    explored: Number(decision.explored),
    propensity: toMicro(decision.propensity),
    predicted: toMicro(chosen?.quality ?? 0),
    familiarity: toMicro(decision.familiarity),
    experiment: decision.assignment?.experiment ?? null,
    arm: decision.assignment?.arm ?? null,
    status: outcome.status,
    failed: Number(failedForGood(outcome)),
    answered_by: outcome.answeredBy ?? null,
    input_tokens: Math.round(outcome.inputTokens),
    output_tokens: Math.round(outcome.outputTokens),
    cost: outcome.cost === undefined ? null : Math.round(outcome.cost),
    duration_ms: Math.round(outcome.duration),
    checked: checkedShare(outcome.checks),
    reward: null,
    details: JSON.stringify(detailsOf(decision, call, outcome)),
  }
}

/** What `details` of a decision's row holds. */
export interface DecisionDetails {
  readonly deployment?: string
  readonly candidates: readonly {
    readonly model: string
    readonly quality: number
    readonly variance: number
    readonly cost: number
    readonly latency?: number
    readonly utility: number
    readonly removed_by?: string
  }[]
  readonly lambda: number
  readonly mu: number
  readonly policy: string
  readonly shadow?: {
    readonly artifact: string
    readonly chosen: string
    readonly quality: number
    readonly cost: number
  }
  /** float32, base64. */
  readonly features?: string
  readonly session?: string
  readonly checks?: AnswerChecks
  readonly error?: string
  readonly finish?: string
  readonly ttft_ms?: number
  readonly decision_us: number
}

function detailsOf(decision: RoutingDecision, call: DecidedCall, outcome: CallOutcome): DecisionDetails {
  const deployment = decision.candidates.find(({ model }) => model === decision.chosen)?.deployment
  return {
    ...(deployment === undefined ? {} : { deployment }),
    candidates: decision.candidates.slice(0, maxCandidates).map(candidate => ({
      model: candidate.model,
      quality: short(candidate.quality),
      variance: short(candidate.variance),
      cost: short(candidate.cost, 9),
      ...(candidate.latency === undefined ? {} : { latency: short(candidate.latency, 1) }),
      utility: short(candidate.utility),
      ...(candidate.removedBy === undefined ? {} : { removed_by: candidate.removedBy }),
    })),
    lambda: short(decision.lambda),
    mu: short(decision.mu),
    policy: decision.policy,
    ...(decision.shadow === undefined ? {} : { shadow: decision.shadow }),
    ...(decision.features === undefined ? {} : { features: decision.features }),
    ...(call.session === undefined ? {} : { session: call.session }),
    ...(Object.keys(outcome.checks).length === 0 ? {} : { checks: outcome.checks }),
    ...(outcome.error === undefined ? {} : { error: outcome.error }),
    ...(outcome.finish === undefined ? {} : { finish: outcome.finish }),
    ...(outcome.ttft === undefined ? {} : { ttft_ms: short(outcome.ttft, 1) }),
    decision_us: Math.round(decision.microseconds),
  }
}

/** The gateway or a vendor failed; a caller's mistake and a caller that left are no fault of the choice. */
const failedForGood = ({ status }: CallOutcome): boolean => status >= 500 || status === 408 || status === 429

/** Share of the checks that passed, in millionths; null where none was made. */
function checkedShare(checks: AnswerChecks): number | null {
  const made = Object.values(checks).filter(value => value !== undefined)
  return made.length === 0 ? null : toMicro(made.filter(Boolean).length / made.length)
}

/** JSON has no word for NaN and infinities, and eighteen digits say no more than six. */
function short(value: number, places = digits): number {
  if (!Number.isFinite(value)) return 0
  const scale = 10 ** places
  return Math.round(value * scale) / scale
}
