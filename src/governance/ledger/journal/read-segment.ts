import { closeSync, openSync, readSync } from 'node:fs'
import { openLine } from './line.ts'

export interface JournalLine {
  /** Undefined: the line is damaged. */
  readonly json: string | undefined
  /** Offset of the byte after its line feed. */
  readonly end: number
}

/** Read at a time; holds some 500 records. */
const sliceBytes = 262_144
/** No line is longer; what looks like one is damage. */
const maxLineBytes = 8_388_608
/** Used again and again: the reading is synchronous, and lines are texts of their own. */
let firstSlice: Buffer | undefined

function slice(): Buffer {
  firstSlice ??= Buffer.allocUnsafeSlow(sliceBytes)
  return firstSlice
}

/**
 * The complete lines from an offset on, at most `maxLines` and about one slice. A line without its line feed is not
 * complete: it is being written, or was torn by the end of its process.
 * @throws Error ENOENT when the file is gone
 */
export function readSegment(path: string, from: number, maxLines: number): JournalLine[] {
  const file = openSync(path, 'r')
  try {
    for (let size = sliceBytes; ; size *= 4) {
      const buffer = size === sliceBytes ? slice() : Buffer.allocUnsafe(size)
      const bytesRead = readSync(file, buffer, 0, size, from)
      const lines = split(buffer.subarray(0, bytesRead), from, maxLines)
      if (lines.length > 0 || bytesRead < size) return lines
      if (size >= maxLineBytes) return [{ json: undefined, end: from + bytesRead }]
    }
  } finally {
    closeSync(file)
  }
}

function split(bytes: Buffer, offset: number, maxLines: number): JournalLine[] {
  const lines: JournalLine[] = []
  let start = 0
  while (lines.length < maxLines) {
    const feed = bytes.indexOf(10, start)
    if (feed < 0) break
    lines.push({ json: openLine(bytes.subarray(start, feed)), end: offset + feed + 1 })
    start = feed + 1
  }
  return lines
}
