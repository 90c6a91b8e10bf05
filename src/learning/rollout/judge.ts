import { logEvidenceOfLess, logEvidenceOfMore } from '../experiments/evidence.ts'
import type { ArmTally, GuardSettings, StageTally } from './guard-settings.ts'
import { type Rollout, shareOf } from './state.ts'

export type Guard = 'errors' | 'latency' | 'cost' | 'feedback'

export interface GuardReading {
  readonly guard: Guard
  readonly control: number | undefined
  readonly candidate: number | undefined
  readonly calls: number
  /** Evidence that the candidate is worse than allowed; a rollback at `limit`. Both are e-values. */
  readonly evidence: number
  readonly limit: number
}

export type Verdict =
  | { readonly kind: 'roll_back'; readonly guard: Guard; readonly readings: readonly GuardReading[] }
  | { readonly kind: 'advance'; readonly readings: readonly GuardReading[] }
  | { readonly kind: 'wait'; readonly for: string; readonly readings: readonly GuardReading[] }

const guards = 4
/** Times the allowed difference where the control is from before. */
const slackWithoutControl = 3

/**
 * Looks at a step as often as one likes. Each guard collects evidence against «no worse than allowed»; the chance of a
 * false alarm is shared out over guards and steps, so the whole rollout keeps to the one that was asked for. Arms are
 * compared by calls that came at the same time. The last step has no control left: it is held against the step before,
 * with wider margins, because another hour is another load.
 */
export function judge(rollout: Rollout, tally: StageTally, now: number): Verdict {
  const share = shareOf(rollout)
  const { guards: settings } = rollout
  const control = share >= 1 ? (rollout.baseline ?? tally.control) : tally.control
  const watched = share === 0 ? tally.control.calls : tally.candidate.calls
  const steps = rollout.shares.filter(value => value > 0).length
  const limit = (guards * Math.max(1, steps)) / settings.falseAlarms
  const readings =
    share === 0 ? [] : readGuards(control, tally.candidate, settings, limit, share >= 1 ? slackWithoutControl : 1)
  const worst = readings.find(({ evidence }) => evidence >= limit)
  if (worst !== undefined) return { kind: 'roll_back', guard: worst.guard, readings }
  if (watched < settings.minCalls) {
    return { kind: 'wait', for: `${settings.minCalls - watched} more calls`, readings }
  }
  const left = rollout.stepAt + settings.minTime - now
  if (left > 0) return { kind: 'wait', for: `${Math.ceil(left / 1000)} more seconds`, readings }
  return { kind: 'advance', readings }
}

function readGuards(
  control: ArmTally,
  candidate: ArmTally,
  settings: GuardSettings,
  limit: number,
  slack: number,
): readonly GuardReading[] {
  const costOf = mean(control.cost)
  const failed = (arm: ArmTally) => ({ n: arm.calls, sum: arm.failed })
  return [
    reading('errors', failed(control), failed(candidate), slack * settings.maxErrorIncrease, limit),
    reading('latency', control.slow, candidate.slow, slack * settings.maxSlowIncrease, limit),
    reading('cost', control.cost, candidate.cost, slack * (costOf ?? 0) * settings.maxCostIncrease, limit),
    reading('feedback', control.feedback, candidate.feedback, slack * settings.maxFeedbackDrop, limit),
  ]
}

function reading(
  guard: Guard,
  control: { readonly n: number; readonly sum: number },
  candidate: { readonly n: number; readonly sum: number },
  margin: number,
  limit: number,
): GuardReading {
  const log =
    guard === 'feedback' ? logEvidenceOfLess(control, candidate, margin) : logEvidenceOfMore(control, candidate, margin)
  return {
    guard,
    control: mean(control),
    candidate: mean(candidate),
    calls: candidate.n,
    evidence: Math.exp(Math.min(700, log)),
    limit,
  }
}

const mean = ({ n, sum }: { readonly n: number; readonly sum: number }): number | undefined =>
  n === 0 ? undefined : sum / n
