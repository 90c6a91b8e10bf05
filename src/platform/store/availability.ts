import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds between two looks at a database that was lost. */
const probeInterval = 1000

/**
 * Whether the database answers. Losing it starts the probe: at once, because one cut connection is not an outage, then
 * every second until it answers.
 */
export class Availability {
  readonly #probe: () => Promise<void>
  readonly #onChange: ((available: boolean, reason: string) => void) | undefined
  readonly #onConfirmed: ((reason: string) => void) | undefined
  #reason: string | undefined
  #suspicious = false
  #stopped = false

  /**
   * @param probe resolves when the database answers; must end by itself
   * @param onConfirmed a probe has failed: nothing that waits for the database will be answered
   */
  constructor(
    probe: () => Promise<void>,
    onChange?: (available: boolean, reason: string) => void,
    onConfirmed?: (reason: string) => void,
  ) {
    this.#probe = probe
    this.#onChange = onChange
    this.#onConfirmed = onConfirmed
  }

  get available(): boolean {
    return this.#reason === undefined && !this.#stopped
  }

  /** Why it is not available; free of credentials. */
  get reason(): string {
    return this.#stopped ? 'the store is closed' : (this.#reason ?? '')
  }

  lost(error: Error): void {
    if (this.#stopped) return
    const known = this.#reason !== undefined
    this.#reason = error.message
    if (known) return
    this.#onChange?.(false, error.message)
    void this.#recover()
  }

  /** An idle connection broke or a statement takes long, which may mean nothing: looks, and only then judges. */
  suspect(): void {
    if (this.#stopped || this.#suspicious || this.#reason !== undefined) return
    this.#suspicious = true
    this.#probe()
      .catch(error => {
        this.lost(error)
        this.#onConfirmed?.(this.reason)
      })
      .finally(() => {
        this.#suspicious = false
      })
  }

  /** False when it was stopped before. */
  stop(): boolean {
    const running = !this.#stopped
    this.#stopped = true
    return running
  }

  async #recover(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#probe()
        if (this.#stopped) return
        this.#reason = undefined
        this.#onChange?.(true, 'the database answers')
        return
      } catch (error) {
        this.#reason = error instanceof Error ? error.message : String(error)
        this.#onConfirmed?.(this.#reason)
        await pause(probeInterval, undefined, { ref: false })
      }
    }
  }
}
