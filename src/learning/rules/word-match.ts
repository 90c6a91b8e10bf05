/**
 * Whether a text holds words of a list. One regular expression per list, made once; no backtracking can happen in it: it
 * is an alternation of fixed texts.
 */
export class WordList {
  readonly #pattern: RegExp | undefined

  /** Words match from where a word begins; their end is free, so that stems do (`optimiz`). */
  constructor(words: readonly string[]) {
    const parts = words.filter(word => word.trim() !== '').map(literal)
    // Longest first: of two that begin alike the longer is what is meant.
    parts.sort((a, b) => b.length - a.length)
    this.#pattern = parts.length === 0 ? undefined : new RegExp(`(?<![\\p{L}\\p{N}])(?:${parts.join('|')})`, 'giu')
  }

  /** Different words of the list in the text, at most `enough`. */
  count(text: string, enough = 8): number {
    if (this.#pattern === undefined) return 0
    this.#pattern.lastIndex = 0
    let first: string | undefined
    let seen: Set<string> | undefined
    for (let match = this.#pattern.exec(text); match !== null; match = this.#pattern.exec(text)) {
      const word = match[0].toLowerCase()
      if (first === undefined) first = word
      else {
        seen ??= new Set([first])
        seen.add(word)
        if (seen.size >= enough) break
      }
    }
    return first === undefined ? 0 : (seen?.size ?? 1)
  }
}

const literal = (word: string): string => word.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
