const open = '<think>'
const close = '</think>'

export interface ThinkPieces {
  reasoning: string
  content: string
}

/**
 * Separates `<think>…</think>` at the start of an answer from the answer itself, over text that arrives in pieces cut
 * anywhere. Later tags are content: a model may talk about them.
 */
export class ThinkSplitter {
  #state: 'start' | 'thinking' | 'after' | 'content' = 'start'
  #held = ''

  push(text: string): ThinkPieces {
    if (this.#state === 'content') return { reasoning: '', content: text }
    const pieces: ThinkPieces = { reasoning: '', content: '' }
    let rest = this.#held + text
    this.#held = ''
    if (this.#state === 'start') {
      const trimmed = rest.trimStart()
      if (trimmed.startsWith(open)) {
        this.#state = 'thinking'
        rest = trimmed.slice(open.length)
      } else if (open.startsWith(trimmed)) {
        this.#held = rest
        return pieces
      } else {
        this.#state = 'content'
        return { reasoning: '', content: rest }
      }
    }
    if (this.#state === 'thinking') {
      const end = rest.indexOf(close)
      if (end < 0) {
        const keep = heldBack(rest)
        pieces.reasoning = rest.slice(0, rest.length - keep)
        this.#held = rest.slice(rest.length - keep)
        return pieces
      }
      pieces.reasoning = rest.slice(0, end)
      rest = rest.slice(end + close.length)
      this.#state = 'after'
    }
    // Line breaks between the tag and the answer belong to neither.
    rest = rest.trimStart()
    if (rest !== '') {
      this.#state = 'content'
      pieces.content = rest
    }
    return pieces
  }

  /** What was held back when the answer ended. */
  end(): ThinkPieces {
    const held = this.#held
    this.#held = ''
    return this.#state === 'thinking' ? { reasoning: held, content: '' } : { reasoning: '', content: held }
  }
}

/** Length of the longest tail that may be the beginning of the closing tag. */
function heldBack(text: string): number {
  for (let length = Math.min(close.length - 1, text.length); length > 0; length--) {
    if (close.startsWith(text.slice(text.length - length))) return length
  }
  return 0
}
