import { glyph, kindOf, letter, lowerCase, space } from './characters.ts'

/**
 * Words and word pairs of texts, counted in hashed buckets (the hashing trick: no vocabulary is kept, so none can leak).
 *
 * A word is a run of letters and digits, lower-cased; a mark of punctuation is a word of its own; so is each character of
 * scripts written without spaces, whose pairs then do the work of words.
 */
export const hashBits = 14
export const buckets = 1 << hashBits

const fnvOffset = 0x811c9dc5
const fnvPrime = 0x01000193
/** Words of the system prompt are counted apart from the same words said by the user. */
const systemSalt = 0x5bd1e995

/** Spreads the high bits of an FNV hash over the low ones, which are the bucket. */
const bucketOf = (hash: number): number => {
  const folded = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (folded ^ (folded >>> 13)) & (buckets - 1)
}

/** Counts of one text at a time. Reused from call to call, so that a decision allocates nothing. */
export class TokenCounts {
  /** Buckets seen, in order of first sight; the first `size` are valid. */
  readonly seen = new Uint16Array(buckets)
  readonly counts = new Uint16Array(buckets)
  size = 0

  clear(): void {
    for (let index = 0; index < this.size; index++) this.counts[this.seen[index] ?? 0] = 0
    this.size = 0
  }

  /** Words and pairs of text[from, to). */
  addText(text: string, from: number, to: number): void {
    this.#scan(text, from, to, 0)
  }

  /**
   * A system prompt tells the application apart. It counts as a whole (one token, the same for every call of that
   * application) and by its words.
   */
  addSystem(system: string, from: number, to: number): void {
    if (to <= from) return
    this.#scan(system, from, to, systemSalt)
    let whole = fnvOffset ^ systemSalt
    for (let index = from; index < to; index++) whole = Math.imul(whole ^ system.charCodeAt(index), fnvPrime)
    this.#add(bucketOf(whole))
  }

  #scan(text: string, from: number, to: number, salt: number): void {
    let previous = 0
    let hash = 0
    let inWord = false
    for (let index = from; index <= to; index++) {
      const code = index < to ? text.charCodeAt(index) : 32
      const kind = kindOf(code)
      if (kind === letter) {
        hash = Math.imul((inWord ? hash : fnvOffset ^ salt) ^ lowerCase(code), fnvPrime)
        inWord = true
        continue
      }
      if (inWord) {
        this.#addWord(hash, previous)
        previous = hash
        inWord = false
      }
      if (kind === space) continue
      hash = Math.imul(fnvOffset ^ salt ^ code, fnvPrime)
      // Both halves of a surrogate pair make one character.
      if (kind === glyph && code >= 0xd800 && code < 0xdc00 && index + 1 < to) {
        hash = Math.imul(hash ^ text.charCodeAt(++index), fnvPrime)
      }
      this.#addWord(hash, previous)
      previous = hash
    }
  }

  #addWord(hash: number, previous: number): void {
    this.#add(bucketOf(hash))
    if (previous !== 0) this.#add(bucketOf(Math.imul(previous, 0x9e3779b1) ^ hash))
  }

  #add(bucket: number): void {
    const count = this.counts[bucket] ?? 0
    if (count === 0) this.seen[this.size++] = bucket
    if (count < 65_535) this.counts[bucket] = count + 1
  }
}
