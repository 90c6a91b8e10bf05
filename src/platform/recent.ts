import { LRUCache } from 'lru-cache'

/**
 * The entries used last, so many at most. The library takes its room when it is made, 0.2 MB for 10,000 entries; here the
 * first entry does, for most processes never meet what some of their caches are for.
 */
export class Recent<V extends object> {
  readonly #max: number
  #cache: LRUCache<string, V> | undefined

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#cache?.size ?? 0
  }

  get(key: string): V | undefined {
    return this.#cache?.get(key)
  }

  set(key: string, value: V): void {
    this.#cache ??= new LRUCache({ max: this.#max })
    this.#cache.set(key, value)
  }

  delete(key: string): void {
    this.#cache?.delete(key)
  }

  clear(): void {
    this.#cache?.clear()
  }

  /** Newest first, as they are now: to change the cache while walking over them is fine. */
  entries(): readonly [string, V][] {
    return this.#cache === undefined ? [] : [...this.#cache.entries()]
  }
}
