import { crc32 } from 'node:zlib'

/**
 * A line of the journal: checksum in 8 hex digits, a space, JSON, a line feed. JSON has no raw line feed, so a reader
 * that met a damaged line finds its way again at the next one.
 */
export function sealLine(json: string): string {
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}

const prefix = 9

/** The JSON of a line (without its line feed), or undefined when it is torn or damaged. */
export function openLine(line: Buffer): string | undefined {
  if (line.length <= prefix || line[8] !== 0x20) return undefined
  const expected = Number.parseInt(line.toString('latin1', 0, 8), 16)
  if (crc32(line.subarray(prefix)) !== expected) return undefined
  return line.toString('utf8', prefix)
}
