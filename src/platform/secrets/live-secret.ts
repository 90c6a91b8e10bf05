import { Secret } from '../security/secret.ts'

export interface LiveSecretOptions {
  /** Reads the backend now and calls `update`. Coalesced and rate-limited by whoever gives it. */
  readonly refresh: () => Promise<void>
  /** Milliseconds the value before stays usable after a change. */
  readonly grace: () => number
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

interface Follower {
  readonly holder: WeakRef<object>
  readonly told: (holder: never, secret: Secret) => void
}

/** How long the value before is sent first, once it was needed; then the new one gets another chance. */
const preference = 10_000

/**
 * A credential that may change while the gateway runs. Whoever needs it on a hot path does not ask it: it follows, and
 * is handed a plain `Secret` whenever another value is to be used from now on.
 */
export class LiveSecret extends Secret {
  /** As written in the config: `os.environ/OPENAI_API_KEY`. A name, no secret. */
  readonly reference: string
  readonly #options: LiveSecretOptions
  readonly #now: () => number
  #followers: Follower[] = []
  #prunedAt = 0
  #current: Secret
  #previous: { readonly secret: Secret; readonly until: number } | undefined
  /** While set and in the future, the value before is sent: the vendor did not know the new one yet. */
  #preferPreviousUntil = 0

  constructor(reference: string, text: string, options: LiveSecretOptions) {
    super('')
    this.reference = reference
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#current = new Secret(text)
  }

  /** What new calls send. */
  get inUse(): Secret {
    const previous = this.#usablePrevious()
    return previous !== undefined && this.#now() < this.#preferPreviousUntil ? previous : this.#current
  }

  override reveal(): string {
    return this.inUse.reveal()
  }

  /** Takes a value read from the backend. @returns whether it is another one. */
  update(text: string): boolean {
    if (text === this.#current.reveal()) return false
    const previous = this.#current
    const back = this.#usablePrevious()
    // Back to the value before: the very same Secret, so that nobody takes it for news.
    this.#current = back?.reveal() === text ? back : new Secret(text)
    this.#previous = { secret: previous, until: this.#now() + this.#options.grace() }
    this.#preferPreviousUntil = 0
    this.#tell()
    return true
  }

  /**
   * A vendor refused `refused` (401, 403): what is worth one more try? Another value that came meanwhile; else the one
   * the backend has now; else, within the grace period after a change, the value before. Undefined: nothing.
   */
  async renew(refused: Secret): Promise<Secret | undefined> {
    if (this.inUse !== refused) return this.inUse
    if (this.#current === refused) await this.#options.refresh()
    if (this.#current !== refused) {
      this.#prefer(0)
      return this.#current
    }
    const previous = this.#usablePrevious()
    if (previous === undefined) return undefined
    this.#prefer(this.#now() + preference)
    return previous
  }

  /** Calls `told` now and after every change, for as long as `holder` lives; it is not kept alive by this. */
  follow<T extends object>(holder: T, told: (holder: T, secret: Secret) => void): void {
    // Holders come and go with every reload, changes may be rare: the dead are dropped when the list has doubled.
    if (this.#followers.length > 2 * this.#prunedAt + 16) this.#living()
    this.#followers.push({ holder: new WeakRef(holder), told: told as Follower['told'] })
    told(holder, this.inUse)
  }

  #usablePrevious(): Secret | undefined {
    return this.#previous !== undefined && this.#now() < this.#previous.until ? this.#previous.secret : undefined
  }

  #prefer(until: number): void {
    const before = this.inUse
    this.#preferPreviousUntil = until
    if (this.inUse !== before) this.#tell()
    if (until > 0) setTimeout(() => this.#tell(), preference).unref()
  }

  #tell(): void {
    const secret = this.inUse
    for (const { holder, told } of this.#living()) {
      const living = holder.deref()
      if (living !== undefined) told(living as never, secret)
    }
  }

  #living(): readonly Follower[] {
    this.#followers = this.#followers.filter(({ holder }) => holder.deref() !== undefined)
    this.#prunedAt = this.#followers.length
    return this.#followers
  }
}
