import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ArmTally, GuardSettings, Thresholds } from './guard-settings.ts'
import { defaultShares, type Rollout, type RouterState, stepName } from './state.ts'

/** A state and why it came. Pure: the same in tests, in the controller and behind the admin API. */
export interface Step {
  readonly state: RouterState
  readonly reason: string
  readonly artifact: string | null
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

export interface BeginOptions {
  readonly id: string
  readonly artifact: string
  readonly now: number
  readonly guards: GuardSettings
  readonly automatic: boolean
  readonly shares?: readonly number[] | undefined
  readonly thresholds: Thresholds | null
}

/** The candidate begins to watch. @throws GatewayError 409 while another one is on its way, or after drift */
export function begin(state: RouterState, options: BeginOptions): Step {
  refuseFrozen(state)
  if (state.rollout !== null) {
    throw conflict(`the rollout of ${state.rollout.artifact.slice(0, 12)} is not over; roll it back or finish it first`)
  }
  if (state.active === options.artifact) throw conflict('this artifact is in force already')
  const rollout: Rollout = {
    id: options.id,
    artifact: options.artifact,
    step: 0,
    shares: checkedShares(options.shares ?? defaultShares),
    startedAt: options.now,
    stepAt: options.now,
    automatic: options.automatic,
    guards: options.guards,
    thresholds: options.thresholds,
    baseline: null,
  }
  return { state: { ...state, rollout }, reason: 'rollout started', artifact: options.artifact }
}

/** The next share, or into force after the last one. @throws GatewayError 409 */
export function advance(
  state: RouterState,
  now: number,
  reason: string,
  control?: ArmTally,
  details?: Step['details'],
): Step {
  refuseFrozen(state)
  const { rollout } = state
  if (rollout === null) throw conflict('there is no rollout to advance')
  const next = rollout.step + 1
  if (next >= rollout.shares.length) {
    return {
      state: { ...state, active: rollout.artifact, previous: state.active, rollout: null },
      reason,
      artifact: rollout.artifact,
      details,
    }
  }
  const moved = { ...rollout, step: next, stepAt: now, baseline: control ?? rollout.baseline }
  return { state: { ...state, rollout: moved }, reason, artifact: rollout.artifact, details }
}

/** What counts as slow and dear is known now. */
export function withThresholds(state: RouterState, thresholds: Thresholds): Step {
  const { rollout } = state
  if (rollout === null) throw conflict('there is no rollout')
  return {
    state: { ...state, rollout: { ...rollout, thresholds } },
    reason: `${stepName(rollout)}: limits of latency and cost are measured`,
    artifact: rollout.artifact,
    details: { ...thresholds },
  }
}

/** At once, by hand: what is in force becomes the one to go back to. Ends a rollout that was on its way. */
export function activate(state: RouterState, artifact: string, reason: string): Step {
  if (state.active === artifact && state.rollout === null) throw conflict('this artifact is in force already')
  const previous = state.active === artifact ? state.previous : state.active
  return {
    state: { ...state, active: artifact, previous, rollout: null, frozen: null, exploration: 1 },
    reason,
    artifact,
  }
}

/**
 * Back: the candidate where a rollout is on its way, else the active artifact to the one before it. Possible at any time,
 * frozen or not.
 */
export function rollBack(state: RouterState, reason: string, details?: Step['details']): Step {
  const { rollout } = state
  if (rollout !== null) {
    return { state: { ...state, rollout: null }, reason, artifact: rollout.artifact, details }
  }
  if (state.previous === null) throw conflict('there is no artifact before the one in force')
  return {
    state: { ...state, active: state.previous, previous: state.active },
    reason,
    artifact: state.previous,
    details,
  }
}

/** Out of force: what is configured decides again. */
export function deactivate(state: RouterState, reason: string): Step {
  if (state.active === null && state.rollout === null) throw conflict('nothing is in force')
  return { state: { ...state, active: null, previous: state.active, rollout: null }, reason, artifact: state.active }
}

export function freeze(state: RouterState, now: number, reason: string, exploration: number): Step {
  const frozen = state.frozen ?? { since: now, reason }
  return {
    state: { ...state, frozen, exploration: Math.max(state.exploration, exploration) },
    reason: `drift: ${reason}`,
    artifact: state.active,
  }
}

/** Somebody has looked. */
export function unfreeze(state: RouterState, reason: string): Step {
  if (state.frozen === null && state.exploration === 1) throw conflict('promotions are not frozen')
  return { state: { ...state, frozen: null, exploration: 1 }, reason, artifact: state.active }
}

function refuseFrozen(state: RouterState): void {
  if (state.frozen === null) return
  throw conflict(
    `promotions are frozen: ${state.frozen.reason}. Look into it and acknowledge the drift, or activate by hand`,
  )
}

function checkedShares(shares: readonly number[]): readonly number[] {
  const rising = shares.every((share, index) => share >= 0 && share <= 1 && share > (shares[index - 1] ?? -1))
  if (shares.length > 0 && shares.length <= 12 && rising) return shares
  throw new GatewayError('invalid_request', "'shares' must be 1 to 12 rising numbers from 0 (shadow) to 1.", {
    param: 'shares',
  })
}

const conflict = (why: string): GatewayError => new GatewayError('conflict', `Not possible now: ${why}.`)
