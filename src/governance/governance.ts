import type { Kysely, Transaction } from 'kysely'
import type { Clock } from '../platform/clock.ts'
import type { SharedState } from '../platform/shared-state/shared-state.ts'
import type { Store } from '../platform/store/store.ts'
import type { Tables } from '../platform/store/tables.ts'
import type { AuditEvent } from './audit/audit-log.ts'
import { compilePrincipal } from './authentication/compile-principal.ts'
import { denialOf, joinSubject, lookUpKey, type SubjectIds } from './authentication/lookup.ts'
import type { Principal } from './authentication/principal.ts'
import { type Known, PrincipalCache } from './authentication/principal-cache.ts'
import { type Changed, type ChangeNotice, change, changesChannel, parseNotices } from './management/change.ts'

export interface GovernanceServices {
  readonly store: Store
  readonly state: SharedState
  readonly clock: Clock
  readonly recordIn: (trx: Kysely<Tables>, event: AuditEvent) => Promise<void>
  readonly cache: {
    /** Milliseconds; `general_settings.user_api_key_cache_ttl`. */
    readonly ttl: number
    readonly maxEntries: number
    /** Milliseconds; `routeiq.identity.stale_for`. */
    readonly staleFor: number
  }
}

const absent: Known = { principal: undefined, denial: undefined }

/**
 * Who exists, what they may do and what they spend: the store, the shared state, and what is cached of them. Surfaces
 * change it through `change`, the pipeline asks it through `principals`.
 */
export class Governance {
  readonly store: Store
  readonly state: SharedState
  readonly principals: PrincipalCache
  readonly #services: GovernanceServices
  readonly #listeners = new Set<(notice: ChangeNotice) => void>()
  readonly #unsubscribe: (() => void)[]

  constructor(services: GovernanceServices) {
    this.#services = services
    this.store = services.store
    this.state = services.state
    this.principals = new PrincipalCache({
      clock: services.clock,
      load: token => this.#load(token),
      ttl: services.cache.ttl,
      // A key made on another replica while messages are lost is found after this time at the latest.
      absentTtl: Math.min(services.cache.ttl, 5000),
      staleFor: services.cache.staleFor,
      maxEntries: services.cache.maxEntries,
    })
    this.#unsubscribe = [
      services.state.subscribe(changesChannel, message => {
        for (const notice of parseNotices(message) ?? []) this.#apply(notice)
      }),
      services.state.onReconnect(() => this.#apply({ kind: 'all', id: '' })),
    ]
  }

  /** Writes rows and audit records in one transaction, then tells every process. @throws StoreUnavailable */
  change<T>(work: (trx: Transaction<Tables>) => Promise<Changed<T>>): Promise<T> {
    const { store, state, recordIn } = this.#services
    return change({ store, state, recordIn, apply: notice => this.#apply(notice) }, work)
  }

  /** Told when models, settings or policies changed, here or elsewhere. */
  onNotice(listener: (notice: ChangeNotice) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The caller a token's claims describe. @throws StoreUnavailable */
  async principalOf(ids: SubjectIds): Promise<Known> {
    const subject = await joinSubject(this.store.db, ids, undefined)
    const principal: Principal = compilePrincipal(subject)
    return { principal, denial: denialOf(subject, this.#services.clock.epoch()) }
  }

  async #load(token: string): Promise<Known> {
    const now = this.#services.clock.epoch()
    const subject = await lookUpKey(this.store.db, token, now)
    if (subject === undefined) return absent
    return { principal: compilePrincipal(subject), denial: denialOf(subject, now) }
  }

  #apply(notice: ChangeNotice): void {
    switch (notice.kind) {
      case 'models':
      case 'settings':
      case 'policies':
      case 'end_user':
      case 'tag':
        break
      default:
        this.principals.invalidate(notice)
    }
    for (const listener of this.#listeners) listener(notice)
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }
}
