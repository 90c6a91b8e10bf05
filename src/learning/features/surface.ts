import { glyph, kindOf, letter, mark, space } from './characters.ts'

/** What the look of a prompt says beside its words, in this order. Alone they carry most of a router's gain. */
export const surfaceNames = [
  'length',
  'words',
  'word length',
  'digit share',
  'upper-case share',
  'mark share',
  'non-ASCII share',
  'glyph share',
  'lines',
  'questions',
  'mathematics',
  'LaTeX',
  'code marks',
  'code fence',
  'options',
  'blanks',
  'quotes',
  'colons',
  'numbers',
  'sentences',
  'indented lines',
  'ends in a question',
  'ends in a colon',
  'longest line',
] as const

const characterClass = new Uint8Array(128)
const classes: [number, string][] = [
  [1, '0123456789'],
  [2, '+=*/^<>%'],
  [3, '\\$'],
  [4, '{}[]();#|&@'],
  [5, '"\''],
  [6, '.!'],
]
for (const [number, characters] of classes) {
  for (const character of characters) characterClass[character.charCodeAt(0)] = number
}

/** Running counts of the ranges read; a class of fixed shape, because this runs for every character of every call. */
export class Surface {
  #characters = 0
  #words = 0
  #wordCharacters = 0
  #digits = 0
  #upper = 0
  #marks = 0
  #nonAscii = 0
  #glyphs = 0
  #lines = 0
  #questions = 0
  #mathematics = 0
  #latex = 0
  #code = 0
  #fences = 0
  #options = 0
  #blanks = 0
  #quotes = 0
  #colons = 0
  #numbers = 0
  #sentences = 0
  #indented = 0
  #longestLine = 0
  #last = 0

  clear(): void {
    this.#characters = this.#words = this.#wordCharacters = this.#digits = this.#upper = this.#marks = 0
    this.#nonAscii = this.#glyphs = this.#lines = this.#questions = this.#mathematics = this.#latex = 0
    this.#code = this.#fences = this.#options = this.#blanks = this.#quotes = this.#colons = 0
    this.#numbers = this.#sentences = this.#indented = this.#longestLine = this.#last = 0
  }

  add(text: string, from: number, to: number): void {
    this.#characters += to - from
    let lineStart = from
    let previousKind = space
    let previousDigit = false
    for (let index = from; index < to; index++) {
      const code = text.charCodeAt(index)
      const kind = kindOf(code)
      if (kind === letter) {
        if (previousKind !== letter) this.#words++
        this.#wordCharacters++
      } else if (kind === mark) this.#marks++
      else if (kind === glyph) this.#glyphs++
      previousKind = kind
      if (kind !== space) this.#last = code
      if (code >= 128) {
        this.#nonAscii++
        previousDigit = false
        continue
      }
      const digit = code >= 48 && code <= 57
      if (digit && !previousDigit) this.#numbers++
      previousDigit = digit
      if (code >= 65 && code <= 90) this.#upper++
      switch (characterClass[code]) {
        case 1:
          this.#digits++
          break
        case 2:
          this.#mathematics++
          break
        case 3:
          this.#latex++
          break
        case 4:
          this.#code++
          // `A)` or `(B)`, alone before it.
          if (
            code === 41 &&
            index > from &&
            isOptionLetter(text.charCodeAt(index - 1)) &&
            !isWordAt(text, index - 2, from)
          )
            this.#options++
          break
        case 5:
          this.#quotes++
          break
        case 6:
          if (isSpaceAt(text, index + 1, to)) this.#sentences++
          if (code === 46 && index - lineStart === 1 && isOptionLetter(text.charCodeAt(lineStart))) this.#options++
          break
        default:
          if (code === 10) {
            this.#longestLine = Math.max(this.#longestLine, index - lineStart)
            lineStart = index + 1
            this.#lines++
            if (lineStart < to && isIndent(text.charCodeAt(lineStart))) this.#indented++
          } else if (code === 63) this.#questions++
          else if (code === 95) this.#blanks++
          else if (code === 58) this.#colons++
          else if (code === 96 && text.charCodeAt(index + 1) === 96 && text.charCodeAt(index + 2) === 96) this.#fences++
      }
    }
    this.#longestLine = Math.max(this.#longestLine, to - lineStart)
  }

  /** @param length characters of the whole text, of which perhaps only a part was read */
  write(length: number, into: Float32Array, offset: number): void {
    const perCharacter = 1 / Math.max(1, this.#characters)
    let at = offset
    into[at++] = Math.log1p(length)
    into[at++] = Math.log1p(this.#words)
    into[at++] = this.#wordCharacters / Math.max(1, this.#words)
    into[at++] = Math.sqrt(this.#digits * perCharacter)
    into[at++] = Math.sqrt(this.#upper * perCharacter)
    into[at++] = Math.sqrt(this.#marks * perCharacter)
    into[at++] = Math.sqrt(this.#nonAscii * perCharacter)
    into[at++] = Math.sqrt(this.#glyphs * perCharacter)
    into[at++] = Math.log1p(this.#lines)
    into[at++] = Math.log1p(this.#questions)
    into[at++] = Math.sqrt(this.#mathematics * perCharacter)
    into[at++] = Math.sqrt(this.#latex * perCharacter)
    into[at++] = Math.sqrt(this.#code * perCharacter)
    into[at++] = Math.min(1, this.#fences)
    into[at++] = Math.log1p(this.#options)
    into[at++] = Math.log1p(this.#blanks)
    into[at++] = Math.log1p(this.#quotes)
    into[at++] = Math.log1p(this.#colons)
    into[at++] = Math.log1p(this.#numbers)
    into[at++] = Math.log1p(this.#sentences)
    into[at++] = Math.log1p(this.#indented)
    into[at++] = this.#last === 63 || this.#last === 0xff1f ? 1 : 0
    into[at++] = this.#last === 58 ? 1 : 0
    into[at++] = Math.log1p(this.#longestLine)
  }
}

const isOptionLetter = (code: number): boolean => (code >= 65 && code <= 74) || (code >= 97 && code <= 106)
const isIndent = (code: number): boolean => code === 32 || code === 9
const isSpaceAt = (text: string, index: number, to: number): boolean =>
  index >= to || kindOf(text.charCodeAt(index)) === space
const isWordAt = (text: string, index: number, from: number): boolean =>
  index >= from && kindOf(text.charCodeAt(index)) === letter
