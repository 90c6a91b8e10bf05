import type { Clock } from '../../platform/clock.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { type SharedState, StateUnavailable } from '../../platform/shared-state/shared-state.ts'

export interface RateBoundSettings {
  readonly perMinute: number
  readonly perDay: number
}

const minute = 60_000
const day = 86_400_000
const maxLocal = 10_000

/** How much feedback one key may give. While shared state is away each process counts for itself. */
export class RateBound {
  readonly #state: Pick<SharedState, 'increment'>
  readonly #clock: Clock
  readonly #settings: RateBoundSettings
  readonly #local = new Map<string, number>()

  constructor(state: Pick<SharedState, 'increment'>, clock: Clock, settings: RateBoundSettings) {
    this.#state = state
    this.#clock = clock
    this.#settings = settings
  }

  /** @throws GatewayError 429 */
  async take(token: string): Promise<void> {
    const { perMinute, perDay } = this.#settings
    const now = this.#clock.epoch()
    const inMinute = await this.#count(`feedback:${token}:${Math.floor(now / minute)}`, minute)
    if (inMinute > perMinute) throw tooMuch(`${perMinute} a minute`, (minute - (now % minute)) / 1000)
    const inDay = await this.#count(`feedback:${token}:d${Math.floor(now / day)}`, day)
    if (inDay > perDay) throw tooMuch(`${perDay} a day`, (day - (now % day)) / 1000)
  }

  async #count(key: string, ttl: number): Promise<number> {
    try {
      return await this.#state.increment(key, ttl)
    } catch (error) {
      if (!(error instanceof StateUnavailable)) throw error
      if (this.#local.size >= maxLocal) this.#local.clear()
      const count = (this.#local.get(key) ?? 0) + 1
      this.#local.set(key, count)
      return count
    }
  }
}

const tooMuch = (bound: string, wait: number): GatewayError =>
  new GatewayError('rate_limit_exceeded', `This key may give feedback ${bound}; send the rest later.`, {
    retryAfter: Math.ceil(wait),
  })
