import { type LeaseItem, StateUnavailable } from './shared-state.ts'

/** Asks for what missing counters start at; many reservations that miss one counter at once ask once. */
export class Seeds {
  readonly #asked = new Map<string, Promise<number>>()

  /**
   * @param indices of the items whose counters are missing
   * @throws StateUnavailable when a seed cannot be had
   */
  async of(items: readonly LeaseItem[], indices: readonly number[]): Promise<ReadonlyMap<string, number>> {
    const seeds = new Map<string, number>()
    await Promise.all(
      indices.map(async index => {
        const item = items[index]
        if (item?.seed !== undefined) seeds.set(item.key, await this.#ask(item.key, item.seed))
      }),
    )
    return seeds
  }

  #ask(key: string, seed: () => Promise<number>): Promise<number> {
    const asked = this.#asked.get(key)
    if (asked !== undefined) return asked
    const asking = this.#fetch(key, seed).finally(() => this.#asked.delete(key))
    this.#asked.set(key, asking)
    return asking
  }

  async #fetch(key: string, seed: () => Promise<number>): Promise<number> {
    let value: number
    try {
      value = await seed()
    } catch (cause) {
      throw new StateUnavailable(`what the counter ${key} starts at cannot be read`, { cause })
    }
    return value > 0 ? value : 0
  }
}
