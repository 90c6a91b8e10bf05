import type { Clock } from '../../../platform/clock.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import { Recent } from '../../../platform/recent.ts'
import { type LeaseItem, type SharedState, StateUnavailable } from '../../../platform/shared-state/shared-state.ts'
import { tokenOf } from '../token-hash.ts'

export interface ThrottleLimits {
  readonly perUser: number
  readonly perSource: number
  readonly windowMs: number
}

/** Milliseconds an attempt may take; one whose process died counts as none after that. */
const attemptTtl = 60_000
const maxLocal = 10_000

/** A login that is being tried. */
export interface Attempt {
  /** Counts it. */
  failed(): void
  /** Does not count it, and forgets the failures of the user before it. */
  succeeded(): Promise<void>
}

/**
 * Failed logins per user name and per source address, over all replicas. An attempt is taken from the limits before the
 * password is looked at, so that many at once are no way around; a success gives it back.
 */
export class LoginThrottle {
  readonly #state: SharedState
  readonly #clock: Clock
  readonly #limits: ThrottleLimits
  /** Used while the shared state is away: logins go on, and guessing stays bounded per process. */
  readonly #local: Recent<{ count: number; until: number }>

  constructor(state: SharedState, clock: Clock, limits: ThrottleLimits) {
    this.#state = state
    this.#clock = clock
    this.#limits = limits
    this.#local = new Recent(maxLocal)
  }

  /** @throws GatewayError `rate_limit_exceeded` */
  async begin(username: string, address: string): Promise<Attempt> {
    const { perUser, perSource, windowMs } = this.#limits
    const seconds = windowMs / 1000
    const userKey = `login:user:${tokenOf(username.toLowerCase())}:failures:${seconds}s`
    const sourceKey = `login:source:${tokenOf(address)}:failures:${seconds}s`
    const item = (key: string, limit: number): LeaseItem => ({
      key,
      window: { kind: 'rate', ms: windowMs },
      limit,
      amount: 1,
      overdraft: false,
    })
    const id = newId()
    try {
      const items = [item(userKey, perUser), item(sourceKey, perSource)]
      const result = await this.#state.reserve(id, items, attemptTtl)
      if (!result.granted) throw this.#exhausted(result.value.resetAt)
    } catch (error) {
      if (!(error instanceof StateUnavailable)) throw error
      return this.#beginLocally(userKey, sourceKey)
    }
    return {
      failed: () => this.#state.settle(id, [1, 1]),
      succeeded: async () => {
        this.#state.settle(id, undefined)
        const window = { kind: 'rate', ms: windowMs } as const
        await this.#state.assign([{ key: userKey, value: 0, window }]).catch(() => undefined)
      },
    }
  }

  #beginLocally(userKey: string, sourceKey: string): Attempt {
    const { perUser, perSource, windowMs } = this.#limits
    const now = this.#clock.now()
    const counter = (key: string): { count: number; until: number } => {
      const known = this.#local.get(key)
      if (known !== undefined && known.until > now) return known
      const fresh = { count: 0, until: now + windowMs }
      this.#local.set(key, fresh)
      return fresh
    }
    const user = counter(userKey)
    const source = counter(sourceKey)
    if (user.count >= perUser || source.count >= perSource) throw this.#exhausted(undefined)
    user.count++
    source.count++
    return {
      failed: () => undefined,
      succeeded: async () => {
        user.count = 0
        source.count--
      },
    }
  }

  #exhausted(resetAt: number | undefined): GatewayError {
    const { windowMs } = this.#limits
    const left = resetAt === undefined ? windowMs : Math.max(resetAt - this.#clock.epoch(), 1000)
    return new GatewayError('rate_limit_exceeded', 'Too many failed logins. Try again later.', {
      retryAfter: Math.ceil(left / 1000),
    })
  }
}
