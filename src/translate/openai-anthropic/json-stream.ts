import type { JsonTool } from './response-format.ts'

/** Enough of `{"properties":` to know whether the answer is wrapped. */
const decideAt = 32

/**
 * Arguments of the JSON tool → content, piece by piece. A wrapper around the answer (`{"values": …}`) is recognised by
 * its first key; such an answer is held back and unwrapped at its end, every other one streams through.
 */
export class JsonToolStream {
  readonly #json: JsonTool
  #held = ''
  #state: 'undecided' | 'through' | 'held' = 'undecided'

  constructor(json: JsonTool) {
    this.#json = json
  }

  /** Content that can go out now; may be ''. */
  push(piece: string): string {
    if (this.#state === 'through') return piece
    this.#held += piece
    if (this.#state === 'held') return ''
    const first = /^\s*\{\s*"((?:[^"\\]|\\.)*)"\s*:/.exec(this.#held)
    if (first !== null && this.#json.wrappers.has(first[1] ?? '')) {
      this.#state = 'held'
      return ''
    }
    if (first === null && this.#held.length < decideAt) return ''
    this.#state = 'through'
    return this.#take()
  }

  /** @param unwrap turns the complete arguments into content. */
  end(unwrap: (input: unknown, json: JsonTool) => string): string {
    const text = this.#take()
    if (this.#state === 'through') return text
    if (text.trim() === '') return '{}'
    try {
      return unwrap(JSON.parse(text), this.#json)
    } catch {
      // Cut by the length limit: the caller sees what there is, as with any unfinished answer.
      return text
    }
  }

  #take(): string {
    const text = this.#held
    this.#held = ''
    return text
  }
}
