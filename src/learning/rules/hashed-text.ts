/**
 * The built-in embedding of the rules: words and the three-letter pieces of words, hashed into a few hundred dimensions,
 * of unit length. No model, no download; knows which words occur, not what they mean.
 */
export const hashedDims = 512

/** Characters that are read of a text. */
const read = 1500

/** Words that stand in every prompt and tell nothing apart. */
const stopWords = new Set(
  'a an the is are was be been to of in on for and or it this that with as at by from i you we my me your can could would please do does how what which will should have has not if so'.split(
    ' ',
  ),
)

/** @param into of `hashedDims` length, overwritten */
export function embedHashed(text: string, into: Float32Array): void {
  into.fill(0)
  const part = text.length <= read ? text : text.slice(0, read)
  for (const word of part.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    if (stopWords.has(word)) continue
    const hash = hashOf(word, 0, word.length)
    add(into, hash, 1)
    if (word.length < 5) continue
    for (let i = 0; i + 4 <= word.length; i++) add(into, hashOf(word, i, i + 4) ^ 0x5bd1e995, 0.35)
  }
  let sum = 0
  // Repetition says less and less: the root of the weight, sign kept.
  for (let i = 0; i < into.length; i++) {
    const value = into[i] as number
    const damped = Math.sign(value) * Math.sqrt(Math.abs(value))
    into[i] = damped
    sum += damped * damped
  }
  if (sum === 0) return
  const scale = 1 / Math.sqrt(sum)
  for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) * scale
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

/** The sign comes from the hash as well, so that collisions cancel out on average. */
function add(into: Float32Array, hash: number, weight: number): void {
  const at = (hash >>> 1) % hashedDims
  into[at] = (into[at] as number) + ((hash & 1) === 1 ? weight : -weight)
}

function hashOf(text: string, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
