import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** One file of the journal: lines of one instance (one life of one process), numbered in the order of writing. */
export interface Segment {
  readonly name: string
  readonly path: string
  readonly instance: string
  readonly number: number
  /** Bytes on disk when it was listed. */
  readonly size: number
  /** Epoch ms of the last write. */
  readonly modifiedAt: number
}

const namePattern = /^([0-9a-f-]{36})-(\d{8})\.journal$/

export const segmentName = (instance: string, number: number): string =>
  `${instance}-${String(number).padStart(8, '0')}.journal`

/** Every segment in a directory, oldest instance first, each instance's in order: instance ids sort by time. */
export function listSegments(directory: string): Segment[] {
  const segments: Segment[] = []
  for (const name of readdirSync(directory).sort()) {
    const match = namePattern.exec(name)
    if (match === null) continue
    const path = join(directory, name)
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) continue
    segments.push({
      name,
      path,
      instance: match[1] ?? '',
      number: Number(match[2]),
      size: stats.size,
      modifiedAt: stats.mtimeMs,
    })
  }
  return segments
}
