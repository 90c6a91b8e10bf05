import type { LearnedRouting } from '../../../learning/rollout/port.ts'
import { noLoop } from '../../../learning/rollout/port.ts'
import type { Clock } from '../../../platform/clock.ts'
import type { ArtifactLibrary } from './artifact-library.ts'
import type { DecisionLog } from './decision-log.ts'
import type { CustomPredict } from './route-policy.ts'
import { SessionMemory } from './session-memory.ts'
import { Targets } from './targets.ts'

/** Why a learned route did not decide a call. */
export type PassedOver = 'error' | 'over_time'

export interface LearnedEvents {
  decided(strategy: string, reason: string, microseconds: number): void
  passedOver(strategy: string, cause: PassedOver, error?: unknown): void
  eventsDropped(count: number, error?: unknown): void
}

/** Routes whose recent calls are remembered. */
const maxRoutes = 256

/** What learned routes share and what outlives a snapshot: artifacts, sessions, recent calls, the loop. */
export class LearnedServices {
  readonly artifacts: ArtifactLibrary
  readonly sessions = new SessionMemory()
  readonly clock: Clock
  readonly events: LearnedEvents
  /** Feedback, rollouts, experiments; nothing until one is opened. */
  loop: LearnedRouting = noLoop
  /** The first configuration is in force: from now on a bad artifact is a reason to keep the one before. */
  started = false
  /** Functions of the operator's own modules, by how the configuration names them; undefined: none are loaded here. */
  modules: ReadonlyMap<string, CustomPredict> | undefined
  /** Where decisions are written; undefined: nowhere. */
  log: DecisionLog | undefined
  readonly #targets = new Map<string, Targets>()

  /** Ends what watches and writes. */
  async close(): Promise<void> {
    this.artifacts.close()
    await this.log?.flush()
  }

  constructor(artifacts: ArtifactLibrary, clock: Clock, events: LearnedEvents) {
    this.artifacts = artifacts
    this.clock = clock
    this.events = events
  }

  /** Recent calls of a route, by the hash of its policy and its pool: a reload that changes neither keeps them. */
  targetsOf(route: string): Targets {
    let targets = this.#targets.get(route)
    if (targets === undefined) {
      if (this.#targets.size >= maxRoutes) {
        const oldest = this.#targets.keys().next()
        if (!oldest.done) this.#targets.delete(oldest.value)
      }
      targets = new Targets()
      this.#targets.set(route, targets)
    }
    return targets
  }
}
