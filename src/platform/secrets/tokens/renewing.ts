export interface Expiring<T> {
  readonly value: T
  /** Wall-clock milliseconds. */
  readonly expiresAt: number
}

/** Milliseconds before its end at which a token is replaced: clocks differ, and a call takes its time. */
const margin = 60_000

/** A token that is fetched when first needed, shared until shortly before it expires, and fetched once for all who wait. */
export class Renewing<T> {
  readonly #fetch: () => Promise<Expiring<T>>
  readonly #epoch: () => number
  #known: { readonly token: Expiring<T>; readonly renewAt: number } | undefined
  #fetching: Promise<T> | undefined

  constructor(fetch: () => Promise<Expiring<T>>, epoch: () => number = Date.now) {
    this.#fetch = fetch
    this.#epoch = epoch
  }

  get(): Promise<T> {
    if (this.#known !== undefined && this.#epoch() < this.#known.renewAt)
      return Promise.resolve(this.#known.token.value)
    this.#fetching ??= this.#renew().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  /** It was refused: the next one who asks gets another. */
  forget(): void {
    this.#known = undefined
  }

  async #renew(): Promise<T> {
    const token = await this.#fetch()
    // A token of less than two minutes is used for half its life.
    const life = token.expiresAt - this.#epoch()
    this.#known = { token, renewAt: token.expiresAt - Math.min(margin, life / 2) }
    return token.value
  }
}
