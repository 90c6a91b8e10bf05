import type { Tally } from '../experiments/evidence.ts'

/** How much worse a candidate may be before it is taken back, and how sure one must be. */
export interface GuardSettings {
  /** Share of failed calls, points. */
  readonly maxErrorIncrease: number
  /** Share of calls slower than the control's 95th percentile, points: 0.05 means 10 % instead of 5 %. */
  readonly maxSlowIncrease: number
  /** Cost per call, relative: 0.25 means a quarter more. Dear outliers are capped at four times the control's mean. */
  readonly maxCostIncrease: number
  /** Mean of feedback, points. */
  readonly maxFeedbackDrop: number
  /** Chance of a false alarm in a whole rollout, all guards and steps together. */
  readonly falseAlarms: number
  /** Calls that the candidate must have decided (watched, in shadow) in a step before it advances. */
  readonly minCalls: number
  /** Milliseconds of a step at least. */
  readonly minTime: number
}

export const guardDefaults: GuardSettings = {
  maxErrorIncrease: 0.01,
  maxSlowIncrease: 0.05,
  maxCostIncrease: 0.25,
  maxFeedbackDrop: 0.05,
  falseAlarms: 0.05,
  minCalls: 200,
  minTime: 600_000,
}

export interface Thresholds {
  /** Milliseconds: 95th percentile of the control. */
  readonly slow: number
  /** Nano-dollars of one call at which cost is capped. */
  readonly dear: number
  /** Epoch ms: calls written down before are not counted with them. */
  readonly since: number
}

/** Of one arm in one step. */
export interface ArmTally {
  readonly calls: number
  readonly failed: number
  readonly slow: Tally
  /** Of capped cost, as a share of the cap. */
  readonly cost: Tally
  readonly feedback: Tally
}

export interface StageTally {
  readonly control: ArmTally
  readonly candidate: ArmTally
}

export const emptyArm: ArmTally = {
  calls: 0,
  failed: 0,
  slow: { n: 0, sum: 0 },
  cost: { n: 0, sum: 0 },
  feedback: { n: 0, sum: 0 },
}
