import type { MessagePort } from 'node:worker_threads'

/** What a module must export to be a guest. */
export interface Guest {
  /**
   * Starts its work and returns; it ends by closing the port, and when the port closes.
   * @param whenFree resolves when the store has no transaction open: what runs until the next `await` may write
   */
  run(settings: unknown, port: MessagePort, whenFree: () => Promise<void>): Promise<void> | void
}

/** Sent to a thread: run the module at this URL. */
export interface Arrival {
  readonly guest: string
  readonly settings: unknown
  readonly port: MessagePort
}

/**
 * Other work in the thread of the connection that writes, done between the store's statements: for what writes much and
 * nobody waits for. In a thread of its own it would cost another 20 MB, and wait for this one's locks.
 */
export class Guests {
  readonly #isBusy: () => boolean
  readonly #ports = new Set<MessagePort>()
  #waiting: (() => void)[] = []

  /** @param isBusy whether the store has a transaction open */
  constructor(isBusy: () => boolean) {
    this.#isBusy = isBusy
  }

  /** An error that is not the guest's own business is the last message through its port. */
  async welcome({ guest, settings, port }: Arrival): Promise<void> {
    this.#ports.add(port)
    port.on('close', () => this.#ports.delete(port))
    try {
      const { run } = (await import(guest)) as Guest
      await run(settings, port, () => this.#whenFree())
    } catch (error) {
      port.postMessage(error instanceof Error ? error : new Error(String(error)))
      port.close()
    }
  }

  /** After every statement. */
  statementDone(): void {
    if (this.#waiting.length === 0 || this.#isBusy()) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  /** The thread ends. */
  dismiss(): void {
    for (const port of this.#ports) port.close()
  }

  #whenFree(): Promise<void> {
    if (!this.#isBusy()) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }
}
