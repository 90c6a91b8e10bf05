import { open, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const attempts = 20
const pauseMs = 5

/**
 * Reads a text file that may be written to at this very moment. A plain read asks for the size first and stops there:
 * racing with an edit it returns the first bytes of the new content, which can be a valid config without its end (its
 * master key, for one). So a read counts only when size and time of change are the same before and after it.
 *
 * Rejects like `fs.readFile`; with `EBUSY` for a file that never comes to rest.
 */
export async function readSettled(path: string): Promise<string> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const text = await readOnce(path)
    if (text !== undefined) return text
    await delay(pauseMs)
  }
  throw Object.assign(new Error(`${path} is being written to all the time`), { code: 'EBUSY' })
}

async function readOnce(path: string): Promise<string | undefined> {
  const file = await open(path)
  try {
    const before = await file.stat({ bigint: true })
    const content = await file.readFile()
    const after = await file.stat({ bigint: true })
    // Pipes and /proc have no size and cannot be read again; they are read to their end.
    if (!after.isFile() || after.size === 0n) return content.toString('utf8')
    const settled = before.mtimeNs === after.mtimeNs && before.size === after.size
    if (!settled || BigInt(content.length) !== after.size) return undefined
    // The clock of a file system ticks every few milliseconds: two edits within one tick leave no other trace.
    return content.equals(await readFile(path)) ? content.toString('utf8') : undefined
  } finally {
    await file.close()
  }
}
