export { countChatTokens, countMessageTokens } from './token-count-chat.ts'
export { countTokens } from './token-count-text.ts'

export interface TokenBounds {
  readonly min: number
  readonly max: number
}

/** The longest token of o200k and cl100k is 128 bytes (a run of blanks), so no text has fewer tokens than this. */
const bytesPerToken = 128
/** A byte-level tokenizer never makes more than one token of a byte, nor UTF-8 more than three bytes of a UTF-16 unit. */
const tokensPerUnit = 3

/**
 * What the length of a request body says about its prompt, without looking at it: enough to skip counting for every
 * prompt that is far inside, or far outside, a context window. The JSON around the prompt only widens the upper bound: it
 * is always longer than the few tokens a message adds.
 *
 * @param length of the body in UTF-16 units (`text.length`).
 * @param media whether the body may hold images, audio or files (`mayHoldMedia`): a megabyte of base64 can be 85 tokens
 *   and a short URL a thousand, so then length says nothing and only counting does.
 */
export function promptTokenBounds(length: number, media = false): TokenBounds {
  if (media) return { min: 0, max: Number.POSITIVE_INFINITY }
  return { min: Math.floor(length / bytesPerToken), max: length * tokensPerUnit }
}

/** Part types of the OpenAI, Anthropic and Gemini dialects. False positives only cost a count. */
const mediaWords = ['image', 'audio', '"file', '"document"', '"video', 'nline_data', 'nlineData', 'ile_data', 'ileData']

export function mayHoldMedia(body: string): boolean {
  for (const word of mediaWords) if (body.includes(word)) return true
  return false
}
