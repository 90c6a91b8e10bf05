import type { Clock } from '../../platform/clock.ts'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import { type Store, StoreUnavailable } from '../../platform/store/store.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { LinearArm } from '../bandits/linucb.ts'
import { armOf, type Experiment, type ExperimentArm, experimentOf } from '../experiments/experiment.ts'
import { bucketOf } from '../experiments/sticky.ts'
import type { Assignment, CellPosterior } from '../rollout/port.ts'
import { type RouterState, shareOf } from '../rollout/state.ts'
import { readStates } from '../rollout/state-store.ts'
import type { ReadArtifact } from './admit.ts'
import { shortId } from './artifact-store.ts'
import { LinearArms } from './linear-arms.ts'
import { LoadedArtifacts } from './loaded-artifacts.ts'
import { Posteriors } from './posteriors.ts'

export interface DirectoryOptions {
  readonly store: Store
  readonly state: SharedState
  readonly clock: Clock
  readonly log: Logger
  readonly read: ReadArtifact
  /** Whether LinUCB's arms are wanted. Default: no. */
  readonly linear?: () => boolean
  /** Milliseconds between two looks; messages make it look at once. Default 1,000. */
  readonly interval?: number
}

/** Channel on which processes say that a router, an experiment or a cell changed. */
export const routerChannel = 'router'

interface Entry {
  readonly state: RouterState
  readonly revision: number
  /** Ready to be handed out: a call allocates nothing. */
  readonly active: Assignment | undefined
  readonly control: Assignment | undefined
  readonly candidate: Assignment | undefined
  readonly share: number
  readonly rolloutId: string
  readonly experiment: Experiment | undefined
  readonly arms: readonly (readonly [ExperimentArm, Assignment])[]
}

/**
 * What decides, in memory: states, artifacts, experiments and feedback as they are in the store, at most one look and one
 * message behind. Reads never wait; a store that is away leaves everything as it was.
 */
export class RouterDirectory {
  readonly artifacts: LoadedArtifacts
  readonly #options: Required<DirectoryOptions>
  readonly #posteriors: Posteriors
  readonly #linearArms: LinearArms
  #entries = new Map<string, Entry>()
  #refreshing: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  #unsubscribe: (() => void)[] = []

  constructor(options: DirectoryOptions) {
    this.#options = { interval: 1000, linear: () => false, ...options }
    const { store, read, clock, log } = options
    this.artifacts = new LoadedArtifacts(store, read, clock, log)
    this.#posteriors = new Posteriors(store, clock)
    this.#linearArms = new LinearArms(store)
  }

  async start(): Promise<void> {
    const { state, interval } = this.#options
    this.#unsubscribe = [
      state.subscribe(routerChannel, () => void this.refresh()),
      state.onReconnect(() => void this.refresh()),
    ]
    // A store that is away must not hold up the start.
    const first = this.refresh()
    if (this.#options.store.available) await first
    this.#timer = setInterval(() => void this.refresh(), interval)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    await this.#refreshing
  }

  /** Tells every process to look now. */
  async announce(): Promise<void> {
    await this.refresh()
    await this.#options.state.publish(routerChannel, '1').catch(() => undefined)
  }

  get routers(): ReadonlyMap<string, { readonly state: RouterState; readonly revision: number }> {
    return this.#entries
  }

  experimentOf(router: string): Experiment | undefined {
    return this.#entries.get(router)?.experiment
  }

  assign(router: string, stickyKey: string): Assignment | undefined {
    const entry = this.#entries.get(router)
    if (entry === undefined) return undefined
    if (entry.experiment !== undefined) {
      const arm = armOf(entry.experiment, stickyKey)
      for (const [own, assignment] of entry.arms) if (own === arm) return assignment
    }
    if (entry.candidate !== undefined && entry.share > 0 && bucketOf(entry.rolloutId, stickyKey) < entry.share) {
      return entry.candidate
    }
    return entry.control ?? entry.active
  }

  exploration(router: string): number {
    return this.#entries.get(router)?.state.exploration ?? 1
  }

  posterior(artifact: string, cluster: number, model: string): CellPosterior | undefined {
    return this.#posteriors.get(shortId(artifact), cluster, model)
  }

  arm(artifact: string, model: string): LinearArm | undefined {
    return this.#linearArms.get(shortId(artifact), model)
  }

  /** Never rejects. While one look is under way, one more is planned at most. */
  refresh(): Promise<void> {
    if (this.#refreshing !== undefined) {
      this.#again = true
      return this.#refreshing
    }
    this.#refreshing = this.#look().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #look(): Promise<void> {
    do {
      this.#again = false
      try {
        await this.#read()
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) {
          this.#options.log.error({ err: error }, 'the state of learned routing could not be read')
        }
      }
    } while (this.#again)
  }

  async #read(): Promise<void> {
    const { store } = this.#options
    const states = await readStates(store.db)
    const rows = await store.db
      .selectFrom('router_experiments')
      .selectAll()
      .where('status', '=', 'running')
      .limit(1000)
      .execute()
    const experiments = new Map(rows.map(row => [row.router, experimentOf(row)]))
    const wanted = new Set<string>()
    for (const { state } of states) {
      for (const id of [state.active, state.previous, state.rollout?.artifact]) if (id != null) wanted.add(id)
    }
    for (const { settings } of experiments.values()) {
      for (const { artifact } of settings.arms) if (artifact !== undefined) wanted.add(artifact)
    }
    await this.artifacts.keep(wanted)
    const inUse = [...wanted].map(shortId)
    await this.#posteriors.refresh(inUse)
    await this.#linearArms.refresh(this.#options.linear() ? inUse : [])
    const entries = new Map<string, Entry>()
    for (const { router, state, revision } of states) {
      const experiment = experiments.get(router)
      const before = this.#entries.get(router)
      entries.set(router, this.#entry(state, revision, experiment, before))
      experiments.delete(router)
    }
    // An experiment over strategies needs no artifact.
    for (const [router, experiment] of experiments) {
      entries.set(router, this.#entry(undefined, 0, experiment, undefined))
    }
    this.#entries = entries
  }

  #entry(
    state: RouterState = { active: null, previous: null, rollout: null, frozen: null, exploration: 1 },
    revision: number,
    experiment: Experiment | undefined,
    before: Entry | undefined,
  ): Entry {
    const { rollout } = state
    const active = state.active === null ? undefined : this.artifacts.get(state.active)
    const own: Assignment | undefined =
      active === undefined
        ? // What was in force stays where the new one cannot be read here.
          state.active === null
          ? undefined
          : before?.active
        : { artifact: active, strategy: undefined, shadow: undefined, assignment: undefined, reason: undefined }
    const challenger = rollout === null ? undefined : this.artifacts.get(rollout.artifact)
    const base = { active: own, state, revision, experiment }
    const arms = experiment === undefined ? [] : this.#arms(experiment, own)
    if (rollout === null || challenger === undefined) {
      return { ...base, control: undefined, candidate: undefined, share: 0, rolloutId: '', arms }
    }
    const share = shareOf(rollout)
    return {
      ...base,
      arms,
      share,
      rolloutId: rollout.id,
      control: {
        artifact: own?.artifact,
        strategy: undefined,
        shadow: challenger,
        assignment: { experiment: rollout.id, arm: 'control' },
        reason: undefined,
      },
      candidate: {
        artifact: challenger,
        strategy: undefined,
        shadow: undefined,
        assignment: { experiment: rollout.id, arm: 'candidate' },
        reason: 'canary',
      },
    }
  }

  #arms(experiment: Experiment, active: Assignment | undefined): readonly (readonly [ExperimentArm, Assignment])[] {
    return experiment.settings.arms.map(arm => [
      arm,
      {
        artifact: arm.artifact === undefined ? active?.artifact : this.artifacts.get(arm.artifact),
        strategy: arm.strategy,
        shadow: undefined,
        assignment: { experiment: experiment.id, arm: arm.name },
        reason: 'experiment',
      },
    ])
  }
}
