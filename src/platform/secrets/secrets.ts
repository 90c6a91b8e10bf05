import { type ConfigWatch, watchConfig } from '../config/watch.ts'
import type { Denial } from '../security/egress-denials.ts'
import type { SecretNote } from './backend.ts'
import { type SecretReading, SecretUnavailable } from './backend.ts'
import { LiveSecret } from './live-secret.ts'
import { referencesIn, type SecretReference } from './reference.ts'
import type { SecretStatus } from './secret-status.ts'
import { type Pass, SecretSource, type SourceConfiguration } from './source.ts'

/** What a reference led to when a config was loaded. */
export type Found =
  | { readonly kind: 'found'; readonly secret: LiveSecret }
  /** Nothing of that name: an environment variable may take its place. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly problem: string }

/** The secrets of one config. In force once it is adopted; a config that is refused leaves no trace. */
export interface SecretLookup {
  /** Why the secret manager cannot be used at all. */
  readonly problem?: string
  find(reference: string): Found | undefined
  /** Reads what further trees refer to (deployments of the database), to be found and kept current like the rest. */
  include(tree: unknown): Promise<void>
  /** Names which reference was used for what cannot follow a change by itself: a change of it needs a reload. */
  needsReload(reference: string): void
  adopt(): void
  discard(): void
}

export interface SecretsEvents {
  /** A value changed. `reload`: something was made of it that only a reload renews. */
  readonly rotated?: (reference: string, reload: boolean) => void
  /** A value in use could not be read again; it stays in use. Told once until it can be read again. */
  readonly stale?: (reference: string, problem: string) => void
  readonly recovered?: (reference: string) => void
  /** The outbound door refused a connection to a vault. */
  readonly denied?: (denial: Denial) => void
  readonly read?: (system: string, result: 'found' | 'absent' | 'failed') => void
}

export interface SecretsOptions extends SecretsEvents {
  readonly epoch?: () => number
  readonly now?: () => number
  readonly random?: () => number
}

interface Entry {
  readonly reference: SecretReference
  secret: LiveSecret | undefined
  reloads: boolean
  /** Monotonic milliseconds at which it is read again. */
  due: number
  readAt: number | undefined
  changedAt: number | undefined
  changes: number
  expiresAt: number | undefined
  problem: string | undefined
  reading: Promise<Found> | undefined
  /** A vendor's 401 may cause another read from here on; the pause doubles while reading brings nothing new. */
  renewAt: number
  renewPause: number
}

/** Reads at a time. */
const width = 8
/** Least and longest pause between two reads that vendors' refusals cause, milliseconds. */
const renewPauses = { least: 1000, longest: 30_000 }
/** Milliseconds before its end at which a token is read again. */
const margin = 60_000
const soonest = 1000

/**
 * All secrets of a process: read when a config is loaded, polled while it is in force, handed on to those who follow
 * them. A backend that fails changes nothing: the values at hand stay in use.
 */
export class Secrets {
  readonly #options: SecretsOptions
  readonly #epoch: () => number
  readonly #now: () => number
  #source: SecretSource | undefined
  #entries = new Map<string, Entry>()
  #watch: ConfigWatch | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: SecretsOptions = {}) {
    this.#options = options
    this.#epoch = options.epoch ?? Date.now
    this.#now = options.now ?? (() => performance.now())
  }

  /** Reads whatever a config refers to. `adopt` takes the result into use. */
  async open(configuration: SourceConfiguration, tree: unknown, names: readonly string[] = []): Promise<SecretLookup> {
    const kept = this.#source?.identity === configuration.identity ? this.#source : undefined
    const named = names.map((name): SecretReference => ({ kind: 'environ', text: `os.environ/${name}`, name }))
    const references = [...new Map([...named, ...referencesIn(tree)].map(each => [each.text, each])).values()]
    let source: SecretSource
    try {
      source = kept ?? (await SecretSource.open(configuration, this.#epoch, denial => this.#options.denied?.(denial)))
    } catch (error) {
      if (!(error instanceof SecretUnavailable)) throw error
      return unopened(references, error.message)
    }
    const entries = new Map<string, Entry>()
    for (const reference of references) {
      const known = kept === undefined ? undefined : this.#entries.get(reference.text)
      entries.set(reference.text, known ?? this.#newEntry(reference, source))
    }
    const found = new Map<string, Found>()
    const read = async (some: readonly Entry[]): Promise<void> => {
      const pass: Pass = new Map()
      await inParallel(some, async entry => {
        found.set(entry.reference.text, await this.#readFresh(entry, source, pass))
      })
    }
    await read([...entries.values()])
    const reloads = new Set<string>()
    return {
      find: reference => found.get(reference),
      include: async tree => {
        const added = referencesIn(tree).filter(({ text }) => !entries.has(text))
        for (const reference of added) entries.set(reference.text, this.#newEntry(reference, source))
        await read(added.flatMap(({ text }) => entries.get(text) ?? []))
        if (this.#entries !== entries) return
        this.#watchFiles()
        this.#schedule()
      },
      needsReload: reference => void reloads.add(reference),
      adopt: () => this.#adopt(source, entries, reloads),
      discard: () => {
        if (source !== this.#source) void source.close()
      },
    }
  }

  /** Reads all secrets in use now. */
  async refresh(): Promise<void> {
    await this.#readAll([...this.#entries.values()].filter(({ secret }) => secret !== undefined))
  }

  status(): SecretStatus[] {
    const system = this.#source?.backend?.system ?? 'local'
    return [...this.#entries.values()]
      .filter(({ secret, problem }) => secret !== undefined || problem !== undefined)
      .map(({ reference, readAt, changedAt, expiresAt, problem }) => ({
        reference: reference.text,
        system: reference.kind === 'environ' ? system : reference.kind,
        read_at: isoOf(readAt),
        changed_at: isoOf(changedAt),
        expires_at: isoOf(expiresAt),
        problem: problem ?? null,
      }))
  }

  /** Whether the configured manager takes virtual keys. */
  get storesVirtualKeys(): boolean {
    return this.#writer()?.write !== undefined
  }

  /** A virtual key of this alias would take the place of a secret that the configuration uses. */
  reservedForConfig(alias: string): boolean {
    return this.#entries.has(`os.environ/${this.#prefixed(alias)}`)
  }

  /**
   * Stores a secret in the configured manager, under the prefix for virtual keys. @returns false where none takes them.
   * @throws SecretUnavailable
   */
  async storeVirtualKey(alias: string, value: string, note?: SecretNote): Promise<boolean> {
    const write = this.#writer()?.write
    if (write === undefined) return false
    const { description, tags } = this.#source?.settings.keyManagement ?? {}
    if (this.reservedForConfig(alias)) throw new SecretUnavailable('its name is that of a secret of the configuration.')
    await write(this.#prefixed(alias), value, note ?? { description, tags })
    return true
  }

  /** @throws SecretUnavailable */
  async removeVirtualKey(alias: string): Promise<boolean> {
    const remove = this.#writer()?.remove
    if (remove === undefined || this.reservedForConfig(alias)) return false
    await remove(this.#prefixed(alias))
    return true
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#watch?.close()
    await this.#source?.close()
  }

  #writer(): SecretSource['backend'] {
    const source = this.#source
    if (source === undefined) return undefined
    // As in LiteLLM, `access_mode` is about reading: who asks for keys to be stored gets them stored.
    return source.settings.keyManagement.store_virtual_keys ? source.backend : undefined
  }

  #prefixed(alias: string): string {
    return `${this.#source?.settings.keyManagement.prefix_for_stored_virtual_keys ?? ''}${alias}`
  }

  #adopt(source: SecretSource, entries: Map<string, Entry>, reloads: ReadonlySet<string>): void {
    if (this.#closed) return
    const before = this.#source
    this.#source = source
    this.#entries = entries
    for (const [text, entry] of entries) entry.reloads = reloads.has(text)
    if (before !== undefined && before !== source) void before.close()
    this.#watchFiles()
    this.#schedule()
  }

  #newEntry(reference: SecretReference, source: SecretSource): Entry {
    return {
      reference,
      secret: undefined,
      reloads: false,
      due: this.#now() + source.pollInterval(reference),
      readAt: undefined,
      changedAt: undefined,
      changes: 0,
      expiresAt: undefined,
      problem: undefined,
      reading: undefined,
      renewAt: 0,
      renewPause: renewPauses.least,
    }
  }

  /** A read that began now or later: one under way may have seen the value before. */
  async #readFresh(entry: Entry, source: SecretSource, pass: Pass): Promise<Found> {
    await entry.reading?.catch(() => {})
    return this.#read(entry, source, pass)
  }

  /** One read for all who ask meanwhile. */
  #read(entry: Entry, source: SecretSource, pass: Pass): Promise<Found> {
    entry.reading ??= this.#readNow(entry, source, pass).finally(() => {
      entry.reading = undefined
    })
    return entry.reading
  }

  async #readNow(entry: Entry, source: SecretSource, pass: Pass): Promise<Found> {
    const { reference } = entry
    let found: Found
    try {
      const reading = await source.read(reference, pass)
      found = reading === undefined ? this.#absent(entry) : this.#take(entry, source, reading)
    } catch (error) {
      if (!(error instanceof SecretUnavailable)) throw error
      found = this.#failed(entry, error.message)
    }
    entry.due = this.#now() + this.#wait(entry, source)
    const asked = reference.kind !== 'environ' || source.hosts(reference.name)
    const system = reference.kind === 'environ' ? (source.backend?.system ?? 'local') : reference.kind
    if (asked) this.#options.read?.(system, entry.problem === undefined ? found.kind : 'failed')
    return found
  }

  #take(entry: Entry, source: SecretSource, { text, expiresAt }: SecretReading): Found {
    entry.readAt = this.#epoch()
    entry.expiresAt = expiresAt
    if (entry.problem !== undefined) {
      entry.problem = undefined
      this.#options.recovered?.(entry.reference.text)
    }
    if (entry.secret === undefined) {
      entry.changedAt = entry.readAt
      entry.secret = new LiveSecret(entry.reference.text, text, {
        refresh: () => this.#renew(entry, source),
        grace: () => source.settings.grace,
        now: this.#now,
      })
    } else if (entry.secret.update(text)) {
      entry.changedAt = entry.readAt
      entry.changes++
      this.#options.rotated?.(entry.reference.text, entry.reloads)
    }
    return { kind: 'found', secret: entry.secret }
  }

  /** Deleted, or not written yet: what is in use stays in use, for a vault without it is a mistake more often than not. */
  #absent(entry: Entry): Found {
    if (entry.secret === undefined) return { kind: 'absent' }
    return this.#failed(entry, 'it is no longer there')
  }

  #failed(entry: Entry, problem: string): Found {
    const { secret } = entry
    if (secret === undefined) return { kind: 'failed', problem }
    if (entry.problem === undefined) this.#options.stale?.(entry.reference.text, problem)
    entry.problem = problem
    return { kind: 'found', secret }
  }

  #wait(entry: Entry, source: SecretSource): number {
    const spread = 0.9 + 0.2 * (this.#options.random ?? Math.random)()
    const interval = source.pollInterval(entry.reference) * spread
    // A token that could not be replaced is tried again soon, not when it has expired.
    if (entry.problem !== undefined) return Math.min(interval, source.settings.pollInterval) * spread
    if (entry.expiresAt === undefined) return interval
    const life = entry.expiresAt - this.#epoch()
    return Math.min(interval, Math.max(soonest, life - Math.min(margin, life / 2)))
  }

  /** For a vendor's refusal: at most one read at a time, and fewer while they bring nothing new. */
  async #renew(entry: Entry, source: SecretSource): Promise<void> {
    const before = entry.changes
    // One that is under way may be another's for the same reason, or a poll that came a moment too early.
    if (entry.reading !== undefined) await entry.reading
    if (entry.changes !== before || this.#now() < entry.renewAt) return
    entry.renewAt = this.#now() + entry.renewPause
    await this.#read(entry, source, new Map())
    const changed = entry.changes !== before
    entry.renewPause = changed ? renewPauses.least : Math.min(entry.renewPause * 2, renewPauses.longest)
    if (changed) entry.renewAt = 0
  }

  async #readAll(entries: readonly Entry[]): Promise<void> {
    const source = this.#source
    if (source === undefined) return
    const pass: Pass = new Map()
    await inParallel(entries, async entry => void (await this.#readFresh(entry, source, pass)))
    this.#schedule()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    const live = [...this.#entries.values()].filter(({ secret }) => secret !== undefined)
    const next = Math.min(...live.map(({ due }) => due))
    if (next === Number.POSITIVE_INFINITY) return
    const wait = Math.min(Math.max(next - this.#now(), 50), 2 ** 31 - 1)
    this.#timer = setTimeout(() => {
      const now = this.#now()
      void this.#readAll(live.filter(({ due }) => due <= now))
    }, wait)
    this.#timer.unref()
  }

  #watchFiles(): void {
    const paths = [...this.#entries.values()].flatMap(({ reference }) => pathOf(reference))
    if (this.#watch !== undefined) {
      this.#watch.replace(paths)
    } else if (paths.length > 0) {
      this.#watch = watchConfig(paths, () => this.#readFiles())
      // What changed between the first read and the start of the watch would go unseen.
      void this.#watch.ready.then(() => this.#readFiles())
    }
  }

  #readFiles(): void {
    if (this.#closed) return
    const files = [...this.#entries.values()].filter(({ reference }) => pathOf(reference).length > 0)
    void this.#readAll(files.filter(({ secret }) => secret !== undefined))
  }
}

const isoOf = (epoch: number | undefined): string | null => (epoch === undefined ? null : new Date(epoch).toISOString())

function pathOf(reference: SecretReference): string[] {
  if (reference.kind === 'file') return [reference.path]
  return reference.kind === 'oidc' && reference.provider === 'file'
    ? [`/${reference.audience.replace(/^\/+/, '')}`]
    : []
}

function unopened(references: readonly SecretReference[], problem: string): SecretLookup {
  const asked = new Set(references.map(({ text }) => text))
  return {
    problem,
    find: reference => (asked.has(reference) ? { kind: 'failed', problem } : undefined),
    include: async () => {},
    needsReload: () => {},
    adopt: () => {},
    discard: () => {},
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
}
