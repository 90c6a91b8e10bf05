import type { Clock } from '../../platform/clock.ts'
import type { RouterTransitionRow } from '../../platform/store/learning-tables.ts'
import { keysetAfter } from '../../platform/store/pages.ts'
import type { Store } from '../../platform/store/store.ts'
import { inTransaction } from '../../platform/store/transaction.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { fromMicro } from '../decisions/micro.ts'
import type { TrainedRouter } from '../predictor.ts'
import { changeState, readStates, type VersionedState } from '../rollout/state-store.ts'
import { freeze } from '../rollout/transitions.ts'
import {
  type DriftAlarm,
  type DriftSettings,
  type DriftState,
  judged,
  newDrift,
  type WatchedDecision,
  withDecisions,
  withRewards,
} from './drift-state.ts'

export interface DriftMonitorOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly settings: () => DriftSettings & { readonly exploration: number }
  readonly artifact: (id: string) => TrainedRouter | undefined
  readonly announce: () => Promise<void>
  readonly onAlarm?: (router: string, alarm: DriftAlarm) => void
  readonly onTransition?: (transition: RouterTransitionRow) => void
}

const monitor = 'drift'
/** Milliseconds left to transactions that are still on their way into the store. */
const settling = 2000
const page = 1000
/** Rows per look; what is left is looked at the next time. */
const mostPages = 10

/**
 * Watches what active artifacts meet and what comes of them. Drift raises exploration, freezes promotions, halves what
 * feedback taught about the cells it concerns, and says so; it never puts anything into force.
 */
export class DriftMonitor {
  readonly #options: DriftMonitorOptions

  constructor(options: DriftMonitorOptions) {
    this.#options = options
  }

  /** One look at every router. @throws StoreUnavailable */
  async look(): Promise<void> {
    for (const current of await readStates(this.#options.store.db)) {
      if (current.state.active !== null) await this.#lookAt(current, current.state.active)
    }
  }

  async #lookAt({ router, state }: VersionedState, active: string): Promise<void> {
    const { store, clock, settings, artifact } = this.#options
    const now = Math.floor(clock.epoch())
    const stored = await readDrift(store, router)
    const short = active.slice(0, 12)
    // Another artifact, or somebody acknowledged: what was is no measure any more.
    const acknowledged = stored !== undefined && stored.alarms.length > 0 && state.frozen === null
    const before = stored === undefined || stored.artifact !== short || acknowledged ? newDrift(short, now) : stored
    const trained = artifact(active)
    const withCalls = await this.#decisions(before, router, now, trained)
    const withRewards = await this.#rewards(withCalls, router, now)
    const after = judged(withRewards, settings(), now)
    const fresh = after.alarms.filter(alarm => !before.alarms.includes(alarm))
    if (after !== stored) await this.#save(router, after, now)
    if (fresh.length > 0) await this.#act(router, short, fresh, now)
  }

  async #decisions(
    before: DriftState,
    router: string,
    now: number,
    trained: TrainedRouter | undefined,
  ): Promise<DriftState> {
    const sizes = trained?.clusters.map(({ size }) => size) ?? []
    const prices = new Map(trained?.models.map(model => [model.id, model]))
    let state = before
    for (let pages = 0; pages < mostPages; pages++) {
      const rows = await this.#options.store.db
        .selectFrom('router_decisions')
        .select([
          'id',
          'recorded_at',
          'chosen',
          'answered_by',
          'cluster',
          'familiarity',
          'status',
          'failed',
          'checked',
          'input_tokens',
          'output_tokens',
          'cost',
          'artifact',
        ])
        .where('router', '=', router)
        .where(keysetAfter(['recorded_at', 'id'], state.decisionCursor))
        .where('recorded_at', '<', now - settling)
        .orderBy('recorded_at')
        .orderBy('id')
        .limit(page)
        .execute()
      const calls: WatchedDecision[] = []
      for (const row of rows) {
        if (row.artifact !== state.artifact || (row.status >= 400 && row.failed === 0)) continue
        const model = row.answered_by ?? row.chosen
        const price = prices.get(model)
        const expected =
          price === undefined ? 0 : price.inputPrice * row.input_tokens + price.outputPrice * row.output_tokens
        calls.push({
          model,
          cluster: row.cluster,
          familiarity: fromMicro(row.familiarity),
          failed: row.failed === 1,
          checked: row.checked === null ? undefined : fromMicro(row.checked),
          outputTokens: row.output_tokens,
          priceRatio: expected > 0 && row.cost !== null ? row.cost / 1e9 / expected : undefined,
        })
      }
      const last = rows.at(-1)
      if (last === undefined) break
      state = withDecisions(state, calls, sizes, this.#options.settings())
      state = { ...state, decisionCursor: [last.recorded_at, last.id] }
      if (rows.length < page) break
    }
    return state
  }

  async #rewards(before: DriftState, router: string, now: number): Promise<DriftState> {
    const rows = await this.#options.store.db
      .selectFrom('router_feedback as f')
      .innerJoin('router_decisions as d', 'd.id', 'f.decision_id')
      .select(['f.updated_at', 'f.request_id', 'f.reward', 'd.cluster', 'd.predicted', 'd.chosen', 'd.answered_by'])
      .where('d.router', '=', router)
      .where('d.artifact', '=', before.artifact)
      .where(keysetAfter(['f.updated_at', 'f.request_id'], before.feedbackCursor))
      .where('f.updated_at', '<', now - settling)
      .orderBy('f.updated_at')
      .orderBy('f.request_id')
      .limit(page * mostPages)
      .execute()
    // The prediction was of the chosen one: what a fallback answered says nothing about it.
    const own = rows.filter(({ answered_by, chosen }) => answered_by === null || answered_by === chosen)
    const state = withRewards(
      before,
      own.map(({ chosen, cluster, reward, predicted }) => ({
        model: chosen,
        cluster,
        residual: fromMicro(reward) - fromMicro(predicted),
      })),
    )
    const last = rows.at(-1)
    return last === undefined ? state : { ...state, feedbackCursor: [last.updated_at, last.request_id] }
  }

  async #save(router: string, state: DriftState, now: number): Promise<void> {
    const row = { router, name: monitor, state: JSON.stringify(state), updated_at: now }
    await this.#options.store.db
      .insertInto('router_monitors')
      .values(row)
      .onConflict(conflict =>
        conflict.columns(['router', 'name']).doUpdateSet({ state: row.state, updated_at: row.updated_at }),
      )
      .execute()
  }

  async #act(router: string, artifact: string, fresh: readonly DriftAlarm[], now: number): Promise<void> {
    const { store, log, settings, announce, onAlarm, onTransition } = this.#options
    for (const alarm of fresh) {
      log.warn({ router, artifact, signal: alarm.signal, what: alarm.what, value: alarm.value }, 'drift')
      onAlarm?.(router, alarm)
    }
    const reason = fresh
      .map(({ signal, what }) => (what === '' ? signal : `${signal} of ${what}`))
      .join(', ')
      .slice(0, 300)
    const changed = await inTransaction(store, async trx => {
      for (const { signal, what } of fresh) {
        const model = modelOf(signal, what)
        if (model === undefined) continue
        // Integer division on both databases: a half, rounded down.
        await trx
          .updateTable('router_cells')
          .set(eb => ({ weight: eb('weight', '/', 2), reward: eb('reward', '/', 2), updated_at: now }))
          .where('artifact', '=', artifact)
          .where('model', '=', model)
          .execute()
      }
      return changeState(trx, store.dialect, { router, actor: 'system:drift', now }, state =>
        freeze(state, now, reason, settings().exploration),
      )
    })
    if (changed !== undefined) onTransition?.(changed.transition)
    await announce()
  }
}

/** Whose feedback is worth less now: of the model a signal is about. */
function modelOf(signal: DriftAlarm['signal'], what: string): string | undefined {
  if (signal === 'inputs' || signal === 'novelty') return undefined
  return signal === 'reward' ? what.slice(0, what.lastIndexOf('/')) : what
}

export async function readDrift(store: Store, router: string): Promise<DriftState | undefined> {
  const row = await store.db
    .selectFrom('router_monitors')
    .select('state')
    .where('router', '=', router)
    .where('name', '=', monitor)
    .executeTakeFirst()
  return row === undefined ? undefined : (JSON.parse(row.state) as DriftState)
}
