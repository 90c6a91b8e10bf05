import { type LeaseItem, StateUnavailable } from './shared-state.ts'

type Seed = () => Promise<number>

/** Asks for what missing counters start at. Reservations that miss a counter at once and ask in the same way ask once. */
export class Seeds {
  readonly #asked = new Map<Seed, Promise<number>>()

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

  #ask(key: string, seed: Seed): Promise<number> {
    const asked = this.#asked.get(seed)
    if (asked !== undefined) return asked
    const asking = read(key, seed).finally(() => this.#asked.delete(seed))
    this.#asked.set(seed, asking)
    return asking
  }
}

async function read(key: string, seed: Seed): Promise<number> {
  let value: number
  try {
    value = await seed()
  } catch (cause) {
    throw new StateUnavailable(`what the counter ${key} starts at cannot be read`, { cause })
  }
  return value > 0 ? value : 0
}
