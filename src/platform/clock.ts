/** Time, injected so that routing and cooldowns can be simulated. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number
  /** Wall-clock milliseconds since 1970. */
  epoch(): number
}

export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),
}
