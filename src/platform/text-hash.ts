import { crc32 } from 'node:zlib'

/** Characters that count; the length counts as well. */
const hashed = 4096
/** Characters at both ends that are mixed in besides the checksum. */
const ends = 16

let lastText: string | undefined
let lastHash = 0

/**
 * 53 bits of a text: a checksum of its beginning, which the processor computes by itself, beside an FNV hash of its ends
 * and its length. Few enough collisions for any number of conversations a process will see; no protection against those
 * who look for them. The last text's is remembered: of a call the same one is asked for twice.
 */
export function hashText(text: string): number {
  if (text === lastText) return lastHash
  const { length } = text
  const long = length > 2 * ends
  let a = (0x811c9dc5 ^ length) >>> 0
  let b = 0x9e3779b1
  if (long) b = crc32(length > hashed ? text.slice(0, hashed) : text)
  for (let i = 0; i < length; i++) {
    if (long && i === ends) i = length - ends
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    a ^= a >>> 15
    if (!long) b = Math.imul(b ^ code, 0x85ebca6b) ^ (b >>> 13)
  }
  lastText = text
  lastHash = joined(a, b)
  return lastHash
}

/** One hash of two, in their order. */
export function mixHashes(first: number, second: number): number {
  const a = Math.imul(first ^ (first / 4_294_967_296), 0x85ebca6b) ^ (second / 4_294_967_296)
  const b = Math.imul(first ^ (first >>> 15), 0x01000193) ^ second
  return joined(Math.imul(a ^ (a >>> 13), 0xc2b2ae35), b)
}

const joined = (a: number, b: number): number => ((a >>> 0) & 0x1fffff) * 4_294_967_296 + (b >>> 0)
