import { setTimeout as pause } from 'node:timers/promises'
import type { Transaction } from 'kysely'
import type { Clock } from '../../platform/clock.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { forUpdate, inTransaction } from '../../platform/store/transaction.ts'
import { fromMicro, toMicro } from '../decisions/micro.ts'
import { redactText } from '../decisions/redact.ts'
import { type Asking, type FoundCall, findCall } from './find-call.ts'
import { type Lesson, teachArm, teachCell } from './learn.ts'
import { RateBound } from './rate-bound.ts'
import { rewardOf, type Scale, weightOf } from './reward.ts'

export interface FeedbackOptions {
  readonly store: Store
  readonly state: SharedState
  readonly clock: Clock
  /** Whether the linear bandit learns too: 35 kB are read and written per event then. */
  readonly linear: () => boolean
  /** Decisions that wait in this process are written before one is looked for. */
  readonly flush: () => Promise<void>
  /** Events a key may send in a minute. Default 120. */
  readonly perMinute?: number
  /** And in a day. Default 10,000. */
  readonly perDay?: number
  /** Milliseconds that feedback waits for a call which other processes have not written down yet. Default 2,000. */
  readonly patience?: number
}

export interface SentFeedback {
  readonly requestId: string
  readonly kind: string
  readonly score: number
  readonly scale: Scale
  readonly comment: string | undefined
}

export interface FeedbackCaller extends Asking {
  /** Capture is on for this key or team: its words may be kept. */
  readonly keepsText: boolean
}

export interface FeedbackResult {
  readonly status: 'recorded' | 'corrected' | 'unchanged'
  readonly reward: number
  readonly weight: number
  /** A learned route decided the call, so the feedback teaches it. */
  readonly learned: boolean
  readonly artifact: string | undefined
}

const maxComment = 1000

/**
 * What people, programs and judges say of an answer. Comes late, comes twice, comes from attackers: one (call, kind,
 * caller) counts once, a second one corrects the first; only who made the call may speak of it; each key in bounds.
 */
export class Feedback {
  readonly #options: Required<FeedbackOptions>
  readonly #rate: RateBound

  constructor(options: FeedbackOptions) {
    this.#options = { perMinute: 120, perDay: 10_000, patience: 2000, ...options }
    this.#rate = new RateBound(options.state, options.clock, this.#options)
  }

  /** @throws GatewayError 404 for calls that are not the caller's, 429; StoreUnavailable */
  async give(caller: FeedbackCaller, sent: SentFeedback): Promise<FeedbackResult> {
    await this.#rate.take(caller.token)
    const call = await this.#find(sent.requestId, caller)
    if (call === undefined) {
      throw new GatewayError(
        'not_found',
        'No call of yours has this request_id: send the `x-litellm-call-id` header of its response. Old calls are forgotten.',
        { param: 'request_id' },
      )
    }
    const { store } = this.#options
    return inTransaction(store, trx => this.#record(trx, caller, sent, call))
  }

  async #find(requestId: string, caller: FeedbackCaller): Promise<FoundCall | undefined> {
    const { store, flush, clock, patience } = this.#options
    await flush().catch(() => undefined)
    const deadline = clock.now() + patience
    for (;;) {
      const call = await findCall(store.db, requestId, caller)
      // Books and decisions of another process come apart: a call that just ended may still turn out to be decided.
      const settled = call?.endedAt === undefined || call.endedAt < clock.epoch() - patience
      if ((call !== undefined && settled) || clock.now() >= deadline) return call
      await pause(200)
    }
  }

  async #record(
    trx: Transaction<Tables>,
    caller: FeedbackCaller,
    sent: SentFeedback,
    call: FoundCall,
  ): Promise<FeedbackResult> {
    const { store, clock, linear } = this.#options
    const now = Math.floor(clock.epoch())
    const reward = toMicro(rewardOf(sent.score, sent.scale))
    const weight = weightOf(sent.kind)
    const key = { request_id: call.id, kind: sent.kind, caller: caller.token }
    const inserted = await trx
      .insertInto('router_feedback')
      .values({
        ...key,
        decision_id: call.id,
        decided: Number(call.decided !== undefined),
        reward,
        weight: toMicro(weight),
        comment: this.#comment(caller, sent.comment),
        at: now,
        updated_at: now,
      })
      .onConflict(conflict => conflict.columns(['request_id', 'kind', 'caller']).doNothing())
      .executeTakeFirst()
    const result = {
      reward: fromMicro(reward),
      weight,
      learned: call.decided !== undefined,
      artifact: call.decided?.artifact ?? undefined,
    }
    let lesson: Lesson = { reward: fromMicro(reward), weight, change: undefined }
    if (inserted.numInsertedOrUpdatedRows === 0n) {
      const own = trx
        .selectFrom('router_feedback')
        .select('reward')
        .where('request_id', '=', key.request_id)
        .where('kind', '=', key.kind)
        .where('caller', '=', key.caller)
      const before = await forUpdate(store, own).executeTakeFirstOrThrow()
      if (before.reward === reward) return { ...result, status: 'unchanged' }
      await trx
        .updateTable('router_feedback')
        .set({ reward, comment: this.#comment(caller, sent.comment), updated_at: now })
        .where('request_id', '=', key.request_id)
        .where('kind', '=', key.kind)
        .where('caller', '=', key.caller)
        .execute()
      lesson = { ...lesson, change: fromMicro(reward - before.reward) }
    }
    if (call.decided !== undefined) {
      await this.#meanOf(trx, call.id)
      await teachCell(trx, store.dialect, call.decided, lesson, now)
      if (linear()) await teachArm(trx, store.dialect, call.decided, lesson, now)
    }
    return { ...result, status: lesson.change === undefined ? 'recorded' : 'corrected' }
  }

  /** The decision carries the weighted mean of all that was said of it. */
  async #meanOf(trx: Transaction<Tables>, id: string): Promise<void> {
    const rows = await trx
      .selectFrom('router_feedback')
      .select(['reward', 'weight'])
      .where('decision_id', '=', id)
      .limit(1000)
      .execute()
    const total = rows.reduce((sum, { weight }) => sum + weight, 0)
    const mean = total === 0 ? 0 : rows.reduce((sum, { weight, reward }) => sum + weight * reward, 0) / total
    await trx
      .updateTable('router_decisions')
      .set({ reward: Math.round(mean) })
      .where('id', '=', id)
      .execute()
  }

  #comment(caller: FeedbackCaller, comment: string | undefined): string | null {
    return caller.keepsText && comment !== undefined && comment !== '' ? redactText(comment, maxComment) : null
  }
}
