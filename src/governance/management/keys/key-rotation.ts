import type { Clock } from '../../../platform/clock.ts'
import type { SharedState } from '../../../platform/shared-state/shared-state.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import type { Keys } from './keys.ts'

export interface KeyRotationOptions {
  readonly keys: Pick<Keys, 'rotateDue' | 'forgetReplaced'>
  readonly state: Pick<SharedState, 'lock'>
  readonly log: Logger
  readonly clock: Clock
  /** Milliseconds between looks for keys that are due. */
  readonly interval: number
  /** `24h`; undefined: the old secret ends at once. */
  readonly gracePeriod: string | undefined
}

/** Renewed while keys are being replaced. */
const lockTime = 60_000

const actor = { name: 'system:key_rotation', token: undefined, address: undefined }

/**
 * Replaces keys with `auto_rotate` when their time has come: one process at a time, each key audited. Off unless
 * LITELLM_KEY_ROTATION_ENABLED says otherwise, as in LiteLLM.
 */
export class KeyRotation {
  readonly #options: KeyRotationOptions
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: KeyRotationOptions) {
    this.#options = options
  }

  start(): void {
    this.#schedule(Math.min(this.#options.interval, 5000))
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** @returns keys that were replaced; undefined when another process is at it */
  async run(): Promise<number | undefined> {
    const { keys, state, log, gracePeriod } = this.#options
    const lock = await state.lock('key-rotation', lockTime)
    if (lock === undefined) return undefined
    try {
      const { replaced, waiting } = await keys.rotateDue(actor, gracePeriod, async () => {
        return !this.#closed && (await lock.extend(lockTime))
      })
      if (waiting > 0) {
        log.warn(
          { keys: waiting },
          'keys are due for rotation, but no secret manager takes the new ones (key_management_settings.store_virtual_keys); the old ones go on working',
        )
      }
      await keys.forgetReplaced()
      return replaced
    } finally {
      await lock.release().catch(() => undefined)
    }
  }

  #schedule(pause: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.run()
        .then(count => {
          if (count !== undefined && count > 0) this.#options.log.info({ keys: count }, 'keys were rotated')
        })
        .catch((error: unknown) =>
          this.#options.log.warn({ err: error }, 'keys could not be rotated; the next look follows'),
        )
        .finally(() => this.#schedule(this.#options.interval))
    }, pause).unref()
  }
}

/** The environment variables LiteLLM reads; undefined: keys are not rotated. Milliseconds. */
export function rotationSettings(
  env: Readonly<Record<string, string | undefined>>,
): Pick<KeyRotationOptions, 'interval' | 'gracePeriod'> | undefined {
  if (!/^(true|1)$/i.test(env['LITELLM_KEY_ROTATION_ENABLED'] ?? '')) return undefined
  const seconds = Number(env['LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS'] ?? Number.NaN)
  const grace = env['LITELLM_KEY_ROTATION_GRACE_PERIOD']
  return {
    interval: (Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 2_000_000) : 86_400) * 1000,
    gracePeriod: grace === undefined || grace === '' ? undefined : grace,
  }
}
