/**
 * Which part of a text is read: all of a short one; of a long one the first and last characters. The work of a decision
 * is bounded whatever is sent, few-shot prefixes do not drown the question at the end, and a tail that was added to sway
 * the router does not hide the head.
 */
export interface Excerpt {
  /** Texts up to this many characters are read whole. */
  readonly whole: number
  readonly head: number
  readonly tail: number
}

/** Calls `read` with each range of the text to be read: one or two. */
export function readExcerpt(
  text: string,
  limits: Excerpt,
  read: (text: string, from: number, to: number) => void,
): void {
  if (text.length <= limits.whole) {
    read(text, 0, text.length)
    return
  }
  if (limits.head > 0) read(text, 0, limits.head)
  read(text, text.length - limits.tail, text.length)
}
