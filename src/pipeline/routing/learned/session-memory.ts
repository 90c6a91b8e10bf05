import { hashText } from '../../../platform/text-hash.ts'

/** Conversations remembered per process; the least lately used of eight neighbours gives way. */
const slots = 16_384
const neighbours = 8

/**
 * Which model a conversation was answered by, of this process: a fixed table of numbers, so that a million conversations
 * cost what none do. What was lost (another process, an eviction) only means that the call is decided anew.
 */
export class SessionMemory {
  readonly #keys = new Float64Array(slots)
  readonly #models = new Float64Array(slots)
  /** Monotonic milliseconds. */
  readonly #times = new Float64Array(slots)

  /** @returns hash of the model's name, as `modelHash` makes it; 0: nothing is remembered, or only from before `since` */
  find(conversation: number, since: number): number {
    const at = this.#place(conversation)
    return at >= 0 && (this.#times[at] as number) >= since ? (this.#models[at] as number) : 0
  }

  /** When the conversation was last answered; 0: never. */
  lastAnswer(conversation: number): number {
    const at = this.#place(conversation)
    return at < 0 ? 0 : (this.#times[at] as number)
  }

  remember(conversation: number, model: number, now: number): void {
    let at = this.#place(conversation)
    if (at < 0) {
      const first = firstSlot(conversation)
      at = first
      for (let i = first; i < first + neighbours; i++) {
        if ((this.#times[i] as number) < (this.#times[at] as number)) at = i
      }
    }
    this.#keys[at] = conversation
    this.#models[at] = model
    this.#times[at] = now
  }

  #place(conversation: number): number {
    const first = firstSlot(conversation)
    for (let i = first; i < first + neighbours; i++) if (this.#keys[i] === conversation) return i
    return -1
  }
}

const firstSlot = (conversation: number): number => (conversation % (slots / neighbours)) * neighbours

export const modelHash = (name: string): number => hashText(name) || 1
