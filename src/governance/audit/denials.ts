import type { Clock } from '../../platform/clock.ts'
import type { Actor, AuditEvent } from './audit-log.ts'

export interface DenialLimits {
  /** Denials of one actor that get a record each, per window. */
  readonly perActor: number
  /** The same for all actors together. */
  readonly total: number
  /** Actors told apart in a window; further ones share one summary. */
  readonly actors: number
  /** Milliseconds. */
  readonly window: number
}

export const defaultDenialLimits: DenialLimits = { perActor: 20, total: 120, actors: 100, window: 60_000 }

/** Things denied that a summary names; more are counted together. */
const maxObjects = 20

interface Tally {
  readonly actor: Actor
  readonly firstAt: number
  lastAt: number
  recorded: number
  folded: number
  readonly objects: Map<string, number>
}

const others: Actor = { name: '(other actors)', token: undefined, address: undefined }

/**
 * Decides which denials get a record of their own. Whoever knocks on closed doors writes into the log, so what one actor
 * and all actors together can write is bounded: the first ones of a window stand for themselves, the rest is counted and
 * becomes one summary per actor when the window ends. With the defaults at most 221 records a minute, whatever happens.
 */
export class DenialFolder {
  readonly #limits: DenialLimits
  readonly #clock: Clock
  readonly #tallies = new Map<string, Tally>()
  #recorded = 0
  #endsAt = 0

  constructor(limits: DenialLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** True: record it. False: it was counted, and a later summary tells of it. Call `due` first. */
  admit(event: AuditEvent): boolean {
    if (this.#endsAt === 0) this.#endsAt = this.#clock.now() + this.#limits.window
    const tally = this.#tallyOf(event.actor)
    tally.lastAt = this.#clock.epoch()
    if (tally.actor !== others && tally.recorded < this.#limits.perActor && this.#recorded < this.#limits.total) {
      tally.recorded++
      this.#recorded++
      return true
    }
    this.#fold(tally, event)
    return false
  }

  /** Takes back an admission: there was no room for the record after all. */
  foldInstead(event: AuditEvent): void {
    this.#fold(this.#tallyOf(event.actor), event)
  }

  /** Milliseconds until the window ends; undefined: none runs. */
  get remaining(): number | undefined {
    return this.#endsAt === 0 ? undefined : Math.max(0, this.#endsAt - this.#clock.now())
  }

  /** The summaries of a window that has ended, or of the running one with `now`. Starts afresh. */
  due(now = false): readonly AuditEvent[] {
    if (this.#endsAt === 0 || (!now && this.#clock.now() < this.#endsAt)) return []
    const summaries = [...this.#tallies.values()].filter(tally => tally.folded > 0).map(summaryOf)
    this.#tallies.clear()
    this.#recorded = 0
    this.#endsAt = 0
    return summaries
  }

  #tallyOf(actor: Actor): Tally {
    const key = JSON.stringify([actor.name, actor.token ?? actor.address])
    const known = this.#tallies.get(key)
    if (known !== undefined) return known
    const full = this.#tallies.size >= this.#limits.actors
    if (full) {
      const shared = this.#tallies.get('others')
      if (shared !== undefined) return shared
    }
    const at = this.#clock.epoch()
    const tally: Tally = {
      actor: full ? others : actor,
      firstAt: at,
      lastAt: at,
      recorded: 0,
      folded: 0,
      objects: new Map(),
    }
    this.#tallies.set(full ? 'others' : key, tally)
    return tally
  }

  #fold(tally: Tally, event: AuditEvent): void {
    tally.folded++
    const name = `${event.objectKind} ${event.objectId}`.slice(0, 200)
    const object = tally.objects.has(name) || tally.objects.size < maxObjects ? name : 'others'
    tally.objects.set(object, (tally.objects.get(object) ?? 0) + 1)
  }
}

function summaryOf({ actor, firstAt, lastAt, recorded, folded, objects }: Tally): AuditEvent {
  return {
    actor,
    action: 'denied',
    objectKind: 'denials',
    objectId: actor.name,
    details: {
      folded,
      recorded,
      from: new Date(firstAt).toISOString(),
      to: new Date(lastAt).toISOString(),
      objects: Object.fromEntries(objects),
    },
  }
}
