import { StateUnavailable } from '../shared-state.ts'
import { type Answer, isAbout, type MessagePort, type Question, type QuestionKind } from './messages.ts'

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** Between signs of life while there is no answer, ms. */
const probeInterval = 1000

/** The link of a worker to its primary: questions, answers, and the news that none come any more. */
export class FleetLink {
  readonly #port: MessagePort
  readonly #timeout: number
  readonly #events: { readonly up: () => void; readonly down: (reason: Error) => void }
  readonly #pending = new Map<number, Pending>()
  #next = 1
  #available = true
  #closed = false
  #probe: NodeJS.Timeout | undefined

  constructor(
    port: MessagePort,
    timeout: number,
    events: { readonly up: () => void; readonly down: (reason: Error) => void },
  ) {
    this.#port = port
    this.#timeout = timeout
    this.#events = events
    port.onMessage(message => {
      if (isAbout<Answer>('answer', message)) this.#answered(message)
    })
    port.onClose?.(() => {
      this.#lose('the primary is gone')
      this.close()
    })
  }

  get available(): boolean {
    return this.#available
  }

  /** @throws StateUnavailable; Error when the primary could not do it */
  ask<T>(what: QuestionKind, args: readonly unknown[]): Promise<T> {
    if (!this.#available) return Promise.reject(new StateUnavailable('the primary cannot be reached'))
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        // When this process was busy the answer may wait in the channel already: it is read before an immediate runs.
        setImmediate(() => {
          if (this.#pending.has(number)) this.#lose(`the primary gave no answer within ${this.#timeout} ms`)
        })
      }, this.#timeout)
      const number = this.#next++
      this.#pending.set(number, { resolve, reject, timer })
      this.#post({ state: 'ask', number, what, args })
    })
  }

  /** Asks without waiting: the channel keeps the order, and a primary that is only slow will do it. */
  tell(what: QuestionKind, args: readonly unknown[]): void {
    this.#post({ state: 'ask', number: this.#next++, what, args })
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#probe)
    this.#available = false
    this.#rejectAll(new StateUnavailable('the shared state is closed'))
  }

  #post(question: Question): void {
    if (this.#closed) return
    try {
      this.#port.post(question)
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error))
    }
  }

  #answered({ number, value, error }: Answer): void {
    // Any answer is a sign of life, also one that nobody waits for any more.
    if (!this.#available && !this.#closed) this.#regain()
    const pending = this.#pending.get(number)
    if (pending === undefined) return
    this.#pending.delete(number)
    clearTimeout(pending.timer)
    if (error === undefined) pending.resolve(value as never)
    else pending.reject(new Error(error))
  }

  #lose(why: string): void {
    if (!this.#available) return
    this.#available = false
    const reason = new StateUnavailable(why)
    this.#rejectAll(reason)
    this.#events.down(reason)
    if (this.#closed) return
    this.#probe = setInterval(() => this.tell('leases', []), probeInterval)
    this.#probe.unref()
  }

  #regain(): void {
    clearInterval(this.#probe)
    this.#available = true
    this.#events.up()
  }

  #rejectAll(reason: Error): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject, timer } of pending) {
      clearTimeout(timer)
      reject(reason)
    }
  }
}
