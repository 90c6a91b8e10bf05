import type { Clock } from '../../platform/clock.ts'
import type { RouterTransitionRow } from '../../platform/store/learning-tables.ts'
import type { Store } from '../../platform/store/store.ts'
import { inTransaction } from '../../platform/store/transaction.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { judge } from './judge.ts'
import { shareOf, stepName } from './state.ts'
import { changeState, readStates, type VersionedState } from './state-store.ts'
import { measureThresholds, tallyStage } from './tally.ts'
import { advance, rollBack, type Step, withThresholds } from './transitions.ts'

export interface ControllerOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** After a change: every process shall look. */
  readonly announce: () => Promise<void>
  readonly onTransition?: (transition: RouterTransitionRow) => void
  /** Why this gateway cannot use an artifact; such a candidate goes no further. */
  readonly problemOf: (artifact: string) => string | undefined
}

export const controllerActor = 'system:rollout'

/**
 * Moves rollouts on, or back. Holds nothing in memory: it reads the state, the sums of all replicas, and writes the next
 * state only if nobody else has changed it meanwhile. Killed at any moment, the next one continues.
 */
export class RolloutController {
  readonly #options: ControllerOptions

  constructor(options: ControllerOptions) {
    this.#options = options
  }

  /** One look at every rollout. To be called by one process at a time; two do no harm. @throws StoreUnavailable */
  async look(): Promise<void> {
    let changed = false
    for (const current of await readStates(this.#options.store.db)) {
      if (current.state.rollout !== null && (await this.#lookAt(current))) changed = true
    }
    if (changed) await this.#options.announce()
  }

  async #lookAt(current: VersionedState): Promise<boolean> {
    const { store, clock, problemOf } = this.#options
    const { rollout, frozen } = current.state
    if (rollout === null) return false
    const now = clock.epoch()
    const problem = problemOf(rollout.artifact)
    if (problem !== undefined) {
      return this.#change(current, state => rollBack(state, `the artifact cannot be used: ${problem}`))
    }
    if (rollout.thresholds === null) {
      const thresholds = await measureThresholds(store, current.router, now)
      if (thresholds !== null) return this.#change(current, state => withThresholds(state, thresholds))
    }
    const tally = await tallyStage(store, rollout.id, rollout.stepAt, rollout.thresholds)
    const verdict = judge(rollout, tally, now)
    const details = { step: stepName(rollout), readings: verdict.readings, calls: tally.candidate.calls }
    switch (verdict.kind) {
      case 'roll_back':
        return this.#change(current, state => rollBack(state, `guard ${verdict.guard}: worse than allowed`, details))
      case 'advance': {
        if (!rollout.automatic || frozen !== null) return false
        const control = shareOf(rollout) > 0 ? tally.control : undefined
        return this.#change(current, state => advance(state, now, 'no guard objects', control, details))
      }
      case 'wait':
        return false
    }
  }

  async #change(current: VersionedState, step: (state: VersionedState['state']) => Step): Promise<boolean> {
    const { store, clock, log, onTransition } = this.#options
    const { router, revision } = current
    const change = { router, actor: controllerActor, now: clock.epoch(), expected: revision }
    const changed = await inTransaction(store, trx => changeState(trx, store.dialect, change, step))
    if (changed === undefined) return false
    const { transition } = changed
    const level = transition.to_stage === transition.from_stage ? 'debug' : 'info'
    log[level](
      {
        router,
        from: transition.from_stage,
        to: transition.to_stage,
        artifact: transition.artifact?.slice(0, 12),
        reason: transition.reason,
      },
      'rollout',
    )
    onTransition?.(transition)
    return true
  }
}
