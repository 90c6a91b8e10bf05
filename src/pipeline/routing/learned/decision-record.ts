import type { DecisionReason, RoutingDecision, ScoredCandidate } from '../../../learning/decision.ts'
import type { Goal } from '../../../learning/objective/choose.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import type { Assignment } from '../../../learning/rollout/port.ts'
import { toHundredths } from '../../../platform/decimal.ts'
import type { Candidate } from '../types.ts'
import type { ArmSet } from './arm-set.ts'
import type { RoutePolicy } from './route-policy.ts'
import type { Reading } from './score-call.ts'

export interface Choice {
  /** Place in the scores. */
  readonly index: number
  readonly reason: DecisionReason
  readonly because: string
  readonly explored: boolean
  readonly propensity: number
  readonly strategy: string
}

interface Decided {
  readonly policy: RoutePolicy
  readonly artifact: TrainedRouter | undefined
  readonly scores: Scores
  readonly set: ArmSet
  readonly lead: readonly (Candidate | undefined)[]
  readonly goal: Goal
  readonly choice: Choice
  readonly reading: Reading
  readonly assigned: Assignment | undefined
  /** The loop writes it down. */
  readonly recorded: boolean
  /** The features of the prompt go with it. */
  readonly keepsFeatures: boolean
  readonly started: number
}

/** The reused buffers of a decision → a record that stays. The only thing a decision allocates for keeps. */
export function asDecision(decided: Decided): RoutingDecision {
  const { policy, artifact, scores, set, lead, goal, choice, reading, assigned, recorded, keepsFeatures } = decided
  const candidates = new Array<ScoredCandidate>(scores.count)
  for (let i = 0; i < scores.count; i++) {
    const removedBy = scores.removedBy(i)
    const latency = scores.latency[i] as number
    candidates[i] = {
      model: scores.names[i] as string,
      deployment: (lead[i]?.deployment ?? set.arms[i]?.deployments[0])?.id ?? '',
      quality: scores.quality[i] as number,
      variance: scores.variance[i] as number,
      cost: scores.cost[i] as number,
      latency: Number.isNaN(latency) ? undefined : latency,
      utility: scores.utility[i] as number,
      removedBy,
    }
  }
  return {
    strategy: choice.strategy,
    reason: choice.reason,
    because: withNumbers(choice, scores),
    chosen: scores.names[choice.index] as string,
    candidates,
    lambda: goal.lambda,
    mu: goal.mu,
    explored: choice.explored,
    propensity: choice.propensity,
    familiarity: reading.familiarity,
    cluster: reading.cluster,
    artifact: artifact?.id.slice(0, 12),
    policy: policy.hash,
    recorded,
    shadowed: assigned?.shadow?.id.slice(0, 12),
    assignment: assigned?.assignment,
    features: keepsFeatures && reading.features !== undefined ? encoded(reading.features) : undefined,
    shadow: undefined,
    microseconds: Math.round((performance.now() - decided.started) * 1000),
  }
}

/** `…, 0.71 against 0.64`: expected quality of the chosen one and of the next in line. */
function withNumbers({ because, index }: Choice, scores: Scores): string {
  let other = -1
  for (let i = 0; i < scores.count; i++) {
    if (i === index || (scores.removed[i] !== 0 && scores.removedBy(i) !== 'dominated')) continue
    if (other < 0 || (scores.utility[i] as number) > (scores.utility[other] as number)) other = i
  }
  const own = toHundredths(scores.quality[index] as number)
  return other < 0
    ? `${because}, ${own}`
    : `${because}, ${own} against ${toHundredths(scores.quality[other] as number)}`
}

const encoded = (features: Float32Array): string =>
  Buffer.from(features.buffer, features.byteOffset, features.byteLength).toString('base64')
