import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { createGunzip } from 'node:zlib'
import { DatasetError } from './problems.ts'

export interface Line {
  readonly text: string
  /** From 1. */
  readonly number: number
}

/** A line longer than this is no row of any format we read. Characters. */
const longestLine = 64 * 1024 * 1024

/** Text of a file in pieces, unzipped where it is gzip (told by its first bytes, not by its name). */
export async function* textOf(path: string): AsyncGenerator<string> {
  const zipped = await isGzip(path)
  const raw = createReadStream(path, { highWaterMark: 1 << 18 })
  let bytes: Readable = raw
  if (zipped) {
    const unzipped = createGunzip()
    raw.on('error', error => unzipped.destroy(error))
    bytes = raw.pipe(unzipped)
  }
  const decoder = new StringDecoder('utf8')
  let first = true
  try {
    for await (const chunk of bytes) {
      let text = decoder.write(chunk)
      if (first && text !== '') {
        first = false
        // A byte order mark, as spreadsheets write it.
        if (text.charCodeAt(0) === 0xfeff) text = text.slice(1)
      }
      yield text
    }
    const rest = decoder.end()
    if (rest !== '') yield rest
  } catch (error) {
    throw new DatasetError(`${path} cannot be read to its end: ${error instanceof Error ? error.message : 'unknown'}`)
  } finally {
    raw.destroy()
    bytes.destroy()
  }
}

/** Lines that are not blank. (`readline` would also split at U+2028, which JSON allows inside strings.) */
export async function* linesOf(path: string): AsyncGenerator<Line> {
  let rest = ''
  let number = 0
  for await (const text of textOf(path)) {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      number++
      const line = rest + text.slice(from, text.charCodeAt(end - 1) === 13 ? end - 1 : end)
      rest = ''
      from = end + 1
      if (line.trim() !== '') yield { text: line, number }
    }
    rest += text.slice(from)
    if (rest.length > longestLine)
      throw new DatasetError(`${path}:${number + 1}: a line of more than 64 MB: this is not one object a line (JSONL)`)
  }
  if (rest.trim() !== '') yield { text: rest, number: number + 1 }
}

async function isGzip(path: string): Promise<boolean> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path)
  } catch {
    throw new DatasetError(`there is no ${path}, or it may not be read`)
  }
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
  } catch {
    throw new DatasetError(`${path} is not a file`)
  } finally {
    await file.close()
  }
}
