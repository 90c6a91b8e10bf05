import type { Clock } from '../../platform/clock.ts'
import { Recent } from '../../platform/recent.ts'
import type { Denial } from './lookup.ts'
import type { Principal } from './principal.ts'

/** What a look-up gave: a caller, or the knowledge that there is none. */
export type Known =
  | { readonly principal: Principal; readonly denial: Denial | undefined }
  | { readonly principal: undefined; readonly denial: undefined }

/** A change in the control plane: whose cached callers are out of date. `all` drops everything. */
export interface Invalidation {
  readonly kind: 'key' | 'user' | 'team' | 'organization' | 'project' | 'all'
  readonly id: string
}

interface Entry {
  readonly known: Known
  /** Monotonic ms at which it was looked up. */
  readonly at: number
  readonly generation: number
}

/** Milliseconds a store that is slow to answer may hold up a caller who is known from before. */
const patience = 1000

interface Loading {
  readonly known: Promise<Known>
  /** Resolves when the store has been waited for long enough. */
  readonly late: Promise<undefined>
}

export interface PrincipalCacheOptions {
  readonly clock: Clock
  /** Looks a token up in the store. @throws StoreUnavailable */
  readonly load: (token: string) => Promise<Known>
  /** Milliseconds a found caller is fresh; a change that is pushed drops it earlier. */
  readonly ttl: number
  /** Milliseconds the absence of a key is believed, so that wrong keys do not reach the store each time. */
  readonly absentTtl: number
  /** Milliseconds a caller stays valid while the store cannot be asked. */
  readonly staleFor: number
  readonly maxEntries: number
}

/**
 * Callers by the hash of their key. Concurrent look-ups of one key share one query. While the store is away, callers
 * seen lately are served from here: an outage never looks like a bad key.
 */
export class PrincipalCache {
  readonly #entries: Recent<Entry>
  /** Apart, so that a flood of wrong keys cannot push out those of real callers. */
  readonly #absent: Recent<Entry>
  readonly #loading = new Map<string, Loading>()
  readonly #options: PrincipalCacheOptions
  /** Grows with every invalidation: a look-up that began before one is not kept. */
  #generation = 0
  /** Entries of earlier generations may be out of date: good for as long as the store is away, and no longer. */
  #current = 0

  constructor(options: PrincipalCacheOptions) {
    this.#options = options
    this.#entries = new Recent(options.maxEntries)
    this.#absent = new Recent(options.maxEntries)
  }

  get size(): number {
    return this.#entries.size
  }

  /** At once when it is known and fresh. @throws StoreUnavailable when it is neither known nor can be asked for. */
  find(token: string): Known | Promise<Known> {
    const now = this.#options.clock.now()
    const entry = this.#entries.get(token)
    if (entry !== undefined && entry.generation >= this.#current && now - entry.at < this.#options.ttl)
      return entry.known
    const absent = this.#absent.get(token)
    if (absent !== undefined && now - absent.at < this.#options.absentTtl) return absent.known
    return this.#load(token, entry, now)
  }

  async #load(token: string, stale: Entry | undefined, now: number): Promise<Known> {
    let loading = this.#loading.get(token)
    if (loading === undefined) {
      const generation = this.#generation
      loading = {
        known: this.#options.load(token),
        late: new Promise(resolve => setTimeout(() => resolve(undefined), patience).unref()),
      }
      this.#loading.set(token, loading)
      loading.known
        .then(known => {
          if (generation !== this.#generation) return
          const entry = { known, at: this.#options.clock.now(), generation }
          if (known.principal === undefined) {
            this.#entries.delete(token)
            this.#absent.set(token, entry)
          } else {
            this.#absent.delete(token)
            this.#entries.set(token, entry)
          }
        })
        .catch(() => undefined)
        .finally(() => this.#loading.delete(token))
    }
    if (stale === undefined || now - stale.at >= this.#options.staleFor) return loading.known
    try {
      return (await Promise.race([loading.known, loading.late])) ?? stale.known
    } catch {
      return stale.known
    }
  }

  invalidate({ kind, id }: Invalidation): void {
    this.#generation++
    if (kind === 'all') {
      // Messages were missed, and the store may be away as well: what is known is asked for again, not forgotten.
      this.#current = this.#generation
      this.#absent.clear()
      return
    }
    if (kind === 'key') {
      this.#entries.delete(id)
      this.#absent.delete(id)
    }
    for (const [token, { known }] of this.#entries.entries()) {
      if (known.principal !== undefined && concerns(known.principal, kind, id)) this.#entries.delete(token)
    }
  }
}

function concerns(principal: Principal, kind: Invalidation['kind'], id: string): boolean {
  switch (kind) {
    case 'key':
      return principal.token === id
    case 'user':
      return principal.userId === id
    case 'team':
      return principal.teamId === id || principal.memberOfTeams.has(id)
    case 'organization':
      return principal.organizationId === id || principal.adminOfOrganizations.includes(id)
    case 'project':
      return principal.projectId === id
    case 'all':
      return true
  }
}
