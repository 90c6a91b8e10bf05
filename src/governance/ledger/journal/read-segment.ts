import { open } from 'node:fs/promises'
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

/**
 * The complete lines from an offset on, at most `maxLines` and about one slice. A line without its line feed is not
 * complete: it is being written, or was torn by the end of its process.
 * @throws Error ENOENT when the file is gone
 */
export async function readSegment(path: string, from: number, maxLines: number): Promise<JournalLine[]> {
  const file = await open(path, 'r')
  try {
    for (let size = sliceBytes; ; size *= 4) {
      const buffer = Buffer.allocUnsafe(size)
      const { bytesRead } = await file.read(buffer, 0, size, from)
      const lines = split(buffer.subarray(0, bytesRead), from, maxLines)
      if (lines.length > 0 || bytesRead < size) return lines
      if (size >= maxLineBytes) return [{ json: undefined, end: from + bytesRead }]
    }
  } finally {
    await file.close()
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
