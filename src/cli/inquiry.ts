interface Ask {
  readonly inquiry: 'ask'
  readonly number: number
  readonly question: unknown
}

interface Reply {
  readonly inquiry: 'reply'
  readonly number: number
  readonly value?: unknown
  readonly error?: string
}

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** Questions and answers over one inter-process channel, both ways, each with a time limit. */
export class Inquiry {
  readonly #send: (message: Ask | Reply) => unknown
  readonly #answer: (question: never) => Promise<unknown>
  readonly #patience: number
  readonly #pending = new Map<number, Pending>()
  #next = 1

  /** @param patience milliseconds to wait for an answer. */
  constructor(
    send: (message: Ask | Reply) => unknown,
    answer: (question: never) => Promise<unknown>,
    patience: number,
  ) {
    this.#send = send
    this.#answer = answer
    this.#patience = patience
  }

  ask<T>(question: unknown): Promise<T> {
    const number = this.#next++
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(number)
        reject(new Error('no answer from the other process'))
      }, this.#patience)
      this.#pending.set(number, { resolve, reject, timer })
      try {
        this.#send({ inquiry: 'ask', number, question })
      } catch (error) {
        clearTimeout(timer)
        this.#pending.delete(number)
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
  }

  /** Messages of the channel go in here; those of others are left alone. */
  receive(message: unknown): void {
    if (typeof message !== 'object' || message === null) return
    const { inquiry } = message as { inquiry?: unknown }
    if (inquiry === 'ask') void this.#reply(message as Ask)
    else if (inquiry === 'reply') this.#settle(message as Reply)
  }

  /** The other side is gone: nobody waits any longer. */
  close(): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(new Error('the other process has ended'))
    }
    this.#pending.clear()
  }

  async #reply({ number, question }: Ask): Promise<void> {
    let reply: Reply
    try {
      reply = { inquiry: 'reply', number, value: await this.#answer(question as never) }
    } catch (error) {
      reply = { inquiry: 'reply', number, error: error instanceof Error ? error.message : String(error) }
    }
    try {
      this.#send(reply)
    } catch {
      // The channel closed meanwhile: there is nobody to tell.
    }
  }

  #settle({ number, value, error }: Reply): void {
    const pending = this.#pending.get(number)
    if (pending === undefined) return
    this.#pending.delete(number)
    clearTimeout(pending.timer)
    if (error === undefined) pending.resolve(value as never)
    else pending.reject(new Error(error))
  }
}
