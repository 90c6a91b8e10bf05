import type { Answers, Operation } from '../remote/operation.ts'
import { decodeAnswers, encodeOperations } from './lease-codec.ts'

/**
 * The words of the command that runs the lease script; the last, its message, is made when it is first read. The client
 * writes at the end of the turn in which it was told to, and reads the words then: so what is asked meanwhile travels
 * along. A client that read them earlier would only send smaller messages.
 */
export class LeaseCommand implements ArrayLike<string | Buffer> {
  readonly length = 8
  readonly 0: string
  readonly 1: string
  readonly 2: string
  readonly 3: string
  readonly 4: string
  readonly 5: string
  readonly 6: string
  readonly #collect: () => readonly Operation[]
  #operations: readonly Operation[] = []
  #message: Buffer | undefined
  readonly [n: number]: string | Buffer

  constructor(sha: string, keys: readonly [string, string, string, string], collect: () => readonly Operation[]) {
    this[0] = 'EVALSHA'
    this[1] = sha
    this[2] = '4'
    this[3] = keys[0]
    this[4] = keys[1]
    this[5] = keys[2]
    this[6] = keys[3]
    this.#collect = collect
  }

  /** @throws RangeError for an id or key too long to be one */
  get 7(): Buffer {
    if (this.#message === undefined) {
      this.#operations = this.#collect()
      this.#message = encodeOperations(this.#operations)
    }
    return this.#message
  }

  /** @throws RangeError when it is no answer to what was asked */
  answersIn(reply: Buffer): Answers {
    return decodeAnswers(reply, this.#operations)
  }
}
