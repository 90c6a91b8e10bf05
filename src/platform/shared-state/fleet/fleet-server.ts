import type { NeedsSeeds } from '../memory/lease-book.ts'
import type { MemoryState } from '../memory/memory-state.ts'
import type { Operation } from '../remote/operation.ts'
import { DuplicateLease, type LeaseResult, StateUnavailable } from '../shared-state.ts'
import {
  type Answer,
  isAbout,
  type Message,
  type MessagePort,
  type Packed,
  packAnswer,
  type Question,
  unpackOperation,
} from './messages.ts'

interface Member {
  readonly owner: number
  readonly port: MessagePort
  readonly subscriptions: Map<string, () => void>
}

/** Lets workers use the memory state of their primary. */
export class FleetServer {
  readonly #state: MemoryState
  readonly #members = new Map<number, Member>()

  constructor(state: MemoryState) {
    this.#state = state
  }

  /** @param worker a number above 0 that is this worker's alone */
  connect(worker: number, port: MessagePort): void {
    const member: Member = { owner: worker, port, subscriptions: new Map() }
    this.#members.set(worker, member)
    port.onMessage(message => {
      if (isAbout<Question>('ask', message) && this.#members.get(worker) === member) void this.#reply(member, message)
    })
    port.onClose?.(() => this.workerGone(worker))
  }

  /** Gives back at once what the worker held: it will not settle any more. */
  workerGone(worker: number): void {
    const member = this.#members.get(worker)
    if (member === undefined) return
    this.#members.delete(worker)
    for (const unsubscribe of member.subscriptions.values()) unsubscribe()
    this.#state.book.endLeasesOf(worker)
    this.#state.locks.releaseOf(worker)
  }

  async #reply(member: Member, { number, what, args }: Question): Promise<void> {
    let answer: Answer
    try {
      const value =
        what === 'leases' ? this.#carryOut(member, args as readonly Packed[]) : await this.#do(member, what, args)
      answer = { state: 'answer', number, value: value ?? null }
    } catch (error) {
      answer = { state: 'answer', number, error: error instanceof Error ? error.message : String(error) }
    }
    member.port.post(answer)
  }

  #carryOut({ owner }: Member, operations: readonly Packed[]): Packed[] {
    const answers: Packed[] = []
    for (const packed of operations) {
      const answer = this.#apply(unpackOperation(packed), owner)
      if (answer !== undefined) answers.push(answer)
    }
    return answers
  }

  #apply(operation: Operation, owner: number): Packed | undefined {
    const { book } = this.#state
    switch (operation.what) {
      case 'reserve': {
        const { id, items, ttl, seeds } = operation
        let result: LeaseResult | NeedsSeeds
        try {
          result = book.reserve(id, items, ttl, seeds, owner)
        } catch (error) {
          if (error instanceof DuplicateLease) return packAnswer('duplicate')
          if (error instanceof StateUnavailable) return packAnswer('full')
          throw error
        }
        return packAnswer('granted' in result ? result : { unseeded: result.items })
      }
      case 'settle':
        return void book.settle(operation.id, operation.actual)
      case 'cancel':
        return void book.settle(operation.id, undefined)
      case 'renew':
        return void book.renew(operation.ids, operation.ttl)
      case 'read':
        return packAnswer(book.read(operation.key))
      case 'add':
        return void book.add(operation.key, operation.amount, operation.window)
      case 'assign':
        return void book.assign(operation.key, operation.amount, operation.window)
      case 'sweep':
        return undefined
    }
  }

  async #do(member: Member, what: Question['what'], args: readonly unknown[]): Promise<unknown> {
    const [first, second, third] = args
    const name = String(first)
    const { locks, values } = this.#state
    switch (what) {
      case 'get':
        return values.get(name)
      case 'set':
        return values.set(name, String(second), typeof third === 'number' ? third : undefined)
      case 'delete':
        return this.#state.delete(args.map(String))
      case 'increment':
        return values.increment(name, Number(second))
      case 'lock':
        return locks.take(name, String(second), Number(third), member.owner)
      case 'extend':
        return locks.extend(name, String(second), Number(third))
      case 'release':
        return locks.release(name, String(second))
      case 'publish':
        return this.#state.publish(name, String(second))
      case 'subscribe':
        return this.#subscribe(member, name)
      case 'unsubscribe':
        member.subscriptions.get(name)?.()
        member.subscriptions.delete(name)
        return undefined
      default:
        throw new TypeError(`no question is called ${what}`)
    }
  }

  #subscribe({ port, subscriptions }: Member, channel: string): void {
    if (subscriptions.has(channel)) return
    const forward = (message: string): void => port.post({ state: 'message', channel, message } satisfies Message)
    subscriptions.set(channel, this.#state.subscribe(channel, forward))
  }
}
