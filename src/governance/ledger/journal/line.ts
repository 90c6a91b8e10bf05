import { crc32 } from 'node:zlib'

/**
 * A line of the journal: checksum in 8 hex digits, a space, JSON, a line feed. JSON has no raw line feed, so a reader
 * that met a damaged line finds its way again at the next one.
 */
export function sealLine(json: string): string {
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}

const prefix = 9
const lineFeed = 10
const space = 32

/** Bytes a line takes at most. */
export const sealedBound = (json: string): number => prefix + 3 * json.length + 1

/**
 * The same line, written where it will be sent from: no text of it is made, and it is turned into bytes once.
 * @param at where it begins; `sealedBound` bytes must be left
 * @returns where it ends
 */
export function sealInto(buffer: Buffer, at: number, json: string): number {
  const start = at + prefix
  const end = start + buffer.write(json, start, 'utf8')
  let sum = crc32(buffer.subarray(start, end))
  for (let digit = at + 7; digit >= at; digit--) {
    const nibble = sum & 15
    // '0' is 48, 'a' 97.
    buffer[digit] = nibble < 10 ? 48 + nibble : 87 + nibble
    sum >>>= 4
  }
  buffer[at + 8] = space
  buffer[end] = lineFeed
  return end + 1
}

/** The JSON of a line (without its line feed), or undefined when it is torn or damaged. */
export function openLine(line: Buffer): string | undefined {
  if (line.length <= prefix || line[8] !== 0x20) return undefined
  const expected = Number.parseInt(line.toString('latin1', 0, 8), 16)
  if (crc32(line.subarray(prefix)) !== expected) return undefined
  return line.toString('utf8', prefix)
}
