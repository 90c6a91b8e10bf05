export type MessageListener = (message: string) => void

/** Who listens to what in this process. */
export class Channels {
  readonly #listeners = new Map<string, Set<MessageListener>>()
  readonly #failed: (error: unknown) => void

  /** @param failed is told of a listener that threw; the others still get the message */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  get names(): string[] {
    return [...this.#listeners.keys()]
  }

  /** @returns whether it is the first listener of the channel */
  add(channel: string, listener: MessageListener): boolean {
    const listeners = this.#listeners.get(channel)
    if (listeners !== undefined) {
      listeners.add(listener)
      return false
    }
    this.#listeners.set(channel, new Set([listener]))
    return true
  }

  /** @returns whether it was the last listener of the channel */
  remove(channel: string, listener: MessageListener): boolean {
    const listeners = this.#listeners.get(channel)
    if (listeners === undefined || !listeners.delete(listener) || listeners.size > 0) return false
    this.#listeners.delete(channel)
    return true
  }

  deliver(channel: string, message: string): void {
    for (const listener of [...(this.#listeners.get(channel) ?? [])]) {
      try {
        listener(message)
      } catch (error) {
        this.#failed(error)
      }
    }
  }
}
