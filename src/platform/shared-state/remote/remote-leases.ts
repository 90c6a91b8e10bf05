import { Seeds } from '../seeds.ts'
import {
  type CounterValue,
  DuplicateLease,
  type LeaseItem,
  type LeaseResult,
  type SharedStateEvents,
  StateUnavailable,
  type Window,
} from '../shared-state.ts'
import type { Answers, Operation, Reserved, Seeding, Settlement, Transport } from './operation.ts'
import { Settlements } from './settlements.ts'

type Reservation = Extract<Operation, { what: 'reserve' }>

/** A question that waits for its answer. */
interface Asked {
  readonly operation: Operation
  readonly resolve: (answer: LeaseResult | CounterValue | undefined) => void
  readonly reject: (error: Error) => void
}

/** Characters of an id or key at most: one that cannot be packed must not take a whole message with it. */
const maxName = 16_000
/** Operations of one message at most: it keeps the other side busy for a few milliseconds. */
const maxOperations = 256
/**
 * Messages on their way at most. Under load what is asked beyond them travels together in the next, which costs both
 * sides less than a message each; a question waits for one round trip at most.
 */
const maxUnderWay = 2
/** Settlements wait for a reservation to travel with, ms. */
const settleDelay = 5
/** Between attempts after a failure that was no loss of contact, ms. */
const retryDelay = 1000

/** What one message holds. */
interface Cargo {
  readonly settled: readonly Settlement[]
  readonly asked: readonly Asked[]
}

/**
 * The client of counters and leases that are elsewhere. What is asked in one turn of the event loop, and while two
 * messages are on their way, travels in one message, with the settlements that wait.
 */
export class RemoteLeases {
  readonly #transport: Transport
  readonly #events: SharedStateEvents
  readonly #settlements: Settlements
  readonly #seeds = new Seeds()
  #asked: Asked[] = []
  /** A message is on its way that still takes on what is asked. */
  #boarding = false
  #underWay = 0
  #delay: NodeJS.Timeout | undefined
  /** Settlements sent and not answered yet. */
  #sending = 0
  #flushed: ((done: boolean) => void)[] = []

  constructor(transport: Transport, maxSettlements: number, events: SharedStateEvents) {
    this.#transport = transport
    this.#events = events
    this.#settlements = new Settlements(maxSettlements, count => events.dropped?.(count))
  }

  /** Settlements that have not been carried out for certain. */
  get unsettled(): number {
    return this.#settlements.length + this.#sending
  }

  reserve(id: string, items: readonly LeaseItem[], ttl: number, seeds?: Seeding): Promise<LeaseResult> {
    for (const { key } of items) if (key.length > maxName) return Promise.reject(tooLong(key))
    if (id.length > maxName) return Promise.reject(tooLong(id))
    return this.#ask({ what: 'reserve', id, items, ttl, seeds }) as Promise<LeaseResult>
  }

  settle(id: string, actual: readonly number[] | undefined): void {
    if (id.length <= maxName) this.#settle({ what: 'settle', id, actual })
  }

  async renew(ids: readonly string[], ttl: number): Promise<void> {
    const known = ids.filter(id => id.length <= maxName)
    const parts: Promise<unknown>[] = []
    for (let from = 0; from < known.length; from += maxOperations) {
      parts.push(this.#ask({ what: 'renew', ids: known.slice(from, from + maxOperations), ttl }))
    }
    await Promise.all(parts)
  }

  read(keys: readonly string[]): Promise<readonly CounterValue[]> {
    return Promise.all(keys.map(key => this.#askAbout(key, { what: 'read', key }) as Promise<CounterValue>))
  }

  async change(what: 'add' | 'assign', key: string, amount: number, window: Window): Promise<void> {
    await this.#askAbout(key, { what, key, amount, window })
  }

  /** Finds out whether there is contact, and lets the other side tidy up. */
  async beat(): Promise<void> {
    await this.#ask({ what: 'sweep' })
  }

  /** Contact is back. */
  resume(): void {
    if (this.#settlements.length > 0) this.#schedule()
  }

  /** @throws StateUnavailable */
  async flush(): Promise<void> {
    while (this.unsettled > 0) {
      const sent =
        this.#transport.available &&
        (await new Promise<boolean>(resolve => {
          this.#flushed.push(resolve)
          this.#schedule()
        }))
      if (!sent) throw new StateUnavailable(`${this.unsettled} settlements could not be sent`)
    }
  }

  close(): void {
    clearTimeout(this.#delay)
    for (const { reject } of this.#asked) reject(new StateUnavailable('the shared state is closed'))
    this.#asked = []
    this.#release(false)
  }

  #askAbout(key: string, operation: Operation): Promise<LeaseResult | CounterValue | undefined> {
    return key.length > maxName ? Promise.reject(tooLong(key)) : this.#ask(operation)
  }

  #ask(operation: Operation): Promise<LeaseResult | CounterValue | undefined> {
    if (!this.#transport.available) return Promise.reject(new StateUnavailable('the shared state cannot be reached'))
    return new Promise((resolve, reject) => {
      this.#asked.push({ operation, resolve, reject })
      this.#schedule()
    })
  }

  #settle(settlement: Settlement): void {
    this.#settlements.add(settlement)
    if (this.#delay !== undefined || !this.#transport.available) return
    if (this.#settlements.length >= maxOperations) this.#schedule()
    else this.#wait(settleDelay)
  }

  #wait(ms: number): void {
    clearTimeout(this.#delay)
    this.#delay = setTimeout(() => {
      this.#delay = undefined
      if (this.#settlements.length > 0) this.#schedule()
    }, ms)
    this.#delay.unref()
  }

  #schedule(): void {
    if (this.#boarding || this.#underWay === maxUnderWay) return
    this.#boarding = true
    this.#underWay++
    this.#exchange()
  }

  #exchange(): void {
    let cargo: Cargo | undefined
    const load = (): Cargo => {
      cargo ??= this.#load()
      return cargo
    }
    const collect = (): readonly Operation[] => {
      const { settled, asked } = load()
      const operations: Operation[] = [...settled]
      for (const { operation } of asked) operations.push(operation)
      return operations
    }
    this.#transport.exchange(collect).then(
      answers => {
        const { settled, asked } = load()
        this.#sending -= settled.length
        this.#arrived()
        this.#answer(asked, answers)
        if (this.#settlements.length === 0) this.#release(true)
        else if (this.#settlements.length >= maxOperations || this.#flushed.length > 0) this.#schedule()
        else if (this.#delay === undefined) this.#wait(settleDelay)
      },
      (error: Error) => {
        const { settled, asked } = load()
        this.#sending -= settled.length
        this.#arrived()
        this.#fail(settled, asked, error)
        this.#release(false)
      },
    )
  }

  #arrived(): void {
    this.#underWay--
    if (this.#asked.length > 0) this.#schedule()
  }

  /** Closes the message: what is asked from now on needs another. */
  #load(): Cargo {
    this.#boarding = false
    const asked = this.#asked.length <= maxOperations ? this.#asked : this.#asked.slice(0, maxOperations)
    this.#asked = asked === this.#asked ? [] : this.#asked.slice(maxOperations)
    const settled = this.#transport.available ? this.#settlements.take(maxOperations) : []
    this.#sending += settled.length
    if (this.#asked.length > 0) this.#schedule()
    return { settled, asked }
  }

  #answer(asked: readonly Asked[], answers: Answers): void {
    let next = 0
    for (const question of asked) {
      const { operation, resolve } = question
      if (operation.what === 'reserve') this.#reserved(question, operation, answers[next++] as Reserved)
      else resolve(operation.what === 'read' ? (answers[next++] as CounterValue) : undefined)
    }
  }

  #reserved({ resolve, reject }: Asked, operation: Reservation, answer: Reserved): void {
    if (answer === 'duplicate') reject(new DuplicateLease(operation.id))
    else if (answer === 'full') reject(new StateUnavailable('the shared state holds all it can'))
    else if ('granted' in answer) resolve(answer)
    else this.#seed(operation, answer.unseeded).then(resolve, reject)
  }

  async #seed({ id, items, ttl, seeds }: Reservation, unseeded: readonly number[]): Promise<LeaseResult> {
    const more = await this.#seeds.of(items, unseeded)
    return this.reserve(id, items, ttl, seeds === undefined ? more : new Map([...seeds, ...more]))
  }

  #fail(settled: readonly Settlement[], asked: readonly Asked[], error: Error): void {
    const outage = error instanceof StateUnavailable
    if (outage) this.#settlements.putBack(settled)
    else {
      this.#events.failed?.(error)
      if (settled.length > 0) this.#events.dropped?.(settled.length)
    }
    for (const { operation, reject } of asked) {
      if (operation.what === 'reserve') this.#settlements.add({ what: 'cancel', id: operation.id })
      reject(outage ? error : new StateUnavailable('the shared state did not understand', { cause: error }))
    }
    // Contact that is lost says itself when it is back.
    if (this.#settlements.length > 0 && this.#transport.available) this.#wait(retryDelay)
  }

  #release(done: boolean): void {
    const flushed = this.#flushed
    this.#flushed = []
    for (const tell of flushed) tell(done)
  }
}

const tooLong = (name: string): RangeError =>
  new RangeError(
    `the id or key ${JSON.stringify(name.slice(0, 50))}… has ${name.length} characters; ${maxName} are the most`,
  )
