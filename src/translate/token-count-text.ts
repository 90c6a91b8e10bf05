import { splitWeights, wordBias } from './token-count-weights.ts'

/**
 * Tokens of a text as OpenAI's o200k would cut it, without its 200,000-entry vocabulary: the text is cut into words,
 * numbers, punctuation and whitespace by the tokenizer's own rules, and the tokens inside a word are estimated from its
 * letter pairs or its script.
 *
 * Measured against o200k_base (npm `gpt-tokenizer`) on texts not used for fitting: English prose, prompts, code and JSON
 * within 10 %; Chinese, Japanese, Korean, Russian, Arabic, Hindi and the large European languages within 15 %; smaller
 * languages within 25 %, but Kurdish, Ossetian, Punjabi, Uyghur (too low) and Khmer (too high) up to 55 % off.
 *
 * Linear time, no allocation; about 100 million characters per second. A text above a million is counted in evenly
 * spaced windows, so that no call holds the event loop for more than some milliseconds.
 */
export function countTokens(text: string): number {
  if (text.length === 0) return 0
  const tokens = text.length > longText ? sampled(text) : scanned(text, 0, text.length)
  return Math.max(1, Math.round(tokens))
}

const longText = 1_000_000
const windows = 24
const windowLength = 16_384

function sampled(text: string): number {
  const stride = Math.floor((text.length - windowLength) / (windows - 1))
  let tokens = 0
  for (let i = 0; i < windows; i++) tokens += scanned(text, i * stride, i * stride + windowLength)
  return (tokens / (windows * windowLength)) * text.length
}

const mark = 0
const lower = 1
const upper = 2
const digit = 3
const blank = 4
const newline = 5
/** Latin letters beyond ASCII. */
const accented = 6
const surrogate = 7
/** Scripts: class `script + n`, with the tokens of a run of letters in `scriptRun[n] + length × scriptLetter[n]`. */
const script = 8
const [cyrillic, greek, armenian, hebrew, arabic, indic, dravidian, thai, georgian, hangul, kana, han, other] = [
  8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
] as const
const scriptRun = [0.6, 0.3, 0.6, 0.2, 0.28, 0.2, 0.9, 0.5, 0.6, 0.7, 0.2, 0.1, 0.2]
const scriptLetter = [0.17, 0.385, 0.31, 0.42, 0.28, 0.31, 0.34, 0.366, 0.32, 0.46, 0.65, 0.74, 1.1]

const asciiClass = new Uint8Array(128)
for (let code = 0; code < 128; code++) {
  if (code >= 97 && code <= 122) asciiClass[code] = lower
  else if (code >= 65 && code <= 90) asciiClass[code] = upper
  else if (code >= 48 && code <= 57) asciiClass[code] = digit
  else if (code === 10 || code === 13) asciiClass[code] = newline
  else if (code === 32 || (code >= 9 && code <= 12)) asciiClass[code] = blank
}

const classOf = (code: number): number => (code < 128 ? (asciiClass[code] ?? mark) : wideClass(code))

function wideClass(code: number): number {
  if (code >= 0x4e00 && code <= 0x9fff) return han
  if (code < 0x250) {
    if (code === 0xa0) return blank
    return code < 0xc0 || code === 0xd7 || code === 0xf7 ? mark : accented
  }
  if (code < 0x370) return accented
  if (code < 0x400) return greek
  if (code < 0x530) return cyrillic
  if (code < 0x590) return armenian
  if (code < 0x600) return hebrew
  if (code < 0x780) return arabic
  if (code >= 0x900 && code < 0xb80) return indic
  if (code >= 0xb80 && code < 0xe00) return dravidian
  if (code >= 0xe00 && code < 0xe80) return thai
  if (code >= 0x10a0 && code < 0x1100) return georgian
  if (code >= 0x1e00 && code < 0x1f00) return accented
  if (code >= 0x1f00 && code < 0x2000) return greek
  if (code >= 0x2000 && code < 0x2c00) return code <= 0x200a || code === 0x202f ? blank : mark
  if (code === 0x3000) return blank
  if (code < 0x3040 && code >= 0x2e00) return mark
  if (code >= 0x3040 && code < 0x3100) return kana
  if (code >= 0x3400 && code < 0x4e00) return han
  if ((code >= 0xac00 && code < 0xd7b0) || (code >= 0x1100 && code < 0x1200)) return hangul
  if (code >= 0xd800 && code < 0xe000) return surrogate
  if (code >= 0xfb50 && code < 0xfe00) return arabic
  if (code >= 0xfe00 && code < 0xff66) return mark
  return other
}

/** What stands before a word and is part of its token. */
const afterSpace = 0
const bare = 3
const afterMark = 6

/** Emoji and other characters beyond the basic plane: one to three tokens each. */
const astralTokens = 1.8
/** A change of character in a run of marks starts a new token less often than not: `"},{"` is one. */
const markChange = 0.4
const wideMarkChange = 0.8

function scanned(text: string, from: number, to: number): number {
  let tokens = 0
  let lead = bare
  let i = from
  while (i < to) {
    const code = text.charCodeAt(i)
    const kind = classOf(code)
    if (kind === lower || kind === upper || kind === accented) {
      // Upper-case letters, then lower-case ones, then a contraction: `HTTPServer`, `don't`.
      let weight = 0
      let previous = 0
      let uppers = 0
      const start = i
      let next = kind
      let at = code
      while (next === upper) {
        const symbol = at - 64
        weight += splitWeights[previous * 28 + symbol] ?? 0
        previous = symbol
        uppers++
        i++
        at = i < to ? text.charCodeAt(i) : 0
        next = classOf(at)
      }
      while (next === lower || next === accented || (at === 39 && isContraction(text.charCodeAt(i + 1)))) {
        const symbol = next === lower ? at - 96 : 27
        weight += splitWeights[previous * 28 + symbol] ?? 0
        previous = symbol
        i++
        at = i < to ? text.charCodeAt(i) : 0
        next = classOf(at)
      }
      const letterCase = uppers === 0 ? 0 : uppers === i - start && uppers > 1 ? 2 : 1
      weight += wordBias[lead + letterCase] ?? 1
      tokens += Math.max(weight, 1)
      lead = bare
    } else if (kind >= script) {
      const start = i
      do i++
      while (i < to && classOf(text.charCodeAt(i)) === kind)
      const length = i - start
      const weight = (scriptRun[kind - script] ?? 0) + length * (scriptLetter[kind - script] ?? 1)
      tokens += weight > 1 || kind === kana || kind === han ? weight : 1
      lead = bare
    } else if (kind === digit) {
      const start = i
      do i++
      while (i < to && classOf(text.charCodeAt(i)) === digit)
      tokens += Math.ceil((i - start) / 3) + (lead === afterSpace ? 1 : 0)
      lead = bare
    } else if (kind === mark) {
      const spaced = lead === afterSpace
      lead = bare
      let current = code
      let weight = 1
      const start = i
      i++
      while (i < to) {
        const next = text.charCodeAt(i)
        if (classOf(next) !== mark) break
        if (next !== current && i > start + 1) weight += next < 128 ? markChange : wideMarkChange
        current = next
        i++
      }
      if (i === start + 1 && !spaced && i < to && isLetter(classOf(text.charCodeAt(i)))) {
        lead = afterMark
        continue
      }
      tokens += weight + ((i - start) >> 6)
      // A line break right after punctuation is part of its token.
      while (i < to && classOf(text.charCodeAt(i)) === newline) i++
    } else if (kind === blank || kind === newline) {
      let lastBreak = -1
      const start = i
      while (i < to) {
        const next = classOf(text.charCodeAt(i))
        if (next === newline) lastBreak = i
        else if (next !== blank) break
        i++
      }
      if (lastBreak >= 0) tokens += 1 + ((lastBreak - start) >> 6)
      const blanks = lastBreak >= 0 ? i - lastBreak - 1 : i - start
      if (blanks > 1 || (blanks === 1 && i === to)) tokens += 1 + (blanks >> 6)
      lead = blanks > 0 ? afterSpace : bare
    } else {
      tokens += astralTokens
      i += 2
      lead = bare
    }
  }
  return tokens
}

function isLetter(kind: number): boolean {
  return kind === lower || kind === upper || kind === accented || kind >= script
}

/** The letter after the apostrophe of 's 't 'd 'm 're 've 'll. */
function isContraction(code: number): boolean {
  return code === 115 || code === 116 || code === 100 || code === 109 || code === 114 || code === 118 || code === 108
}
