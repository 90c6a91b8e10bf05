import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { parseLine } from './record.ts'
import type { Found } from './verify.ts'

/** A record is at most about 60 kB; a longer line is none. */
const maxLine = 1_048_576

export interface Export {
  readonly records: AsyncIterable<Found>
  /** Those that lie beside the records, as the S3 sink puts them. */
  readonly checkpoints: readonly Checkpoint[]
  readonly files: number
}

/**
 * An exported file, or a folder with the objects of an S3 sink in it (any depth, packed or not). Files are read in the
 * order of their names, which is that of the chain.
 */
export async function readExport(path: string): Promise<Export> {
  if (!(await stat(path)).isDirectory()) return { records: foundIn([path]), checkpoints: [], files: 1 }
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const records = files.filter(file => /\.ndjson(\.gz)?$/.test(file)).sort(byName)
  const checkpoints: Checkpoint[] = []
  for (const file of files.filter(name => /[\\/]checkpoints[\\/][^\\/]+\.json$/.test(name))) {
    const checkpoint = parseCheckpoint(await readFile(file, 'utf8'))
    if (checkpoint === undefined) throw new Error(`${file} is no checkpoint`)
    checkpoints.push(checkpoint)
  }
  return { records: foundIn(records), checkpoints, files: records.length }
}

/** By name, whatever day's folder it is in. */
function byName(a: string, b: string): number {
  const [nameA, nameB] = [basename(a), basename(b)]
  return nameA === nameB ? (a < b ? -1 : 1) : nameA < nameB ? -1 : 1
}

async function* foundIn(files: readonly string[]): AsyncGenerator<Found> {
  for (const file of files) {
    let number = 0
    for await (const line of linesOf(file)) {
      number++
      if (line === '') continue
      yield { record: line === undefined ? undefined : parseLine(line), place: `${file} line ${number}` }
    }
  }
}

/** Undefined stands for a line that is too long. */
async function* linesOf(file: string): AsyncGenerator<string | undefined> {
  const bytes = createReadStream(file)
  const packed = file.endsWith('.gz')
  const stream = packed ? bytes.pipe(createGunzip()) : bytes
  // A pipe does not pass errors on.
  if (packed) bytes.on('error', error => stream.destroy(error))
  let rest = ''
  let skipping = false
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      yield skipping || part.length > maxLine ? undefined : part.replace(/\r$/, '')
      skipping = false
    }
    if (rest.length > maxLine) {
      skipping = true
      rest = ''
    }
  }
  if (skipping) yield undefined
  else if (rest !== '') yield rest
}
