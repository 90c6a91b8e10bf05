import { open } from 'node:fs/promises'
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
    const settled =
      before.mtimeNs === after.mtimeNs && before.size === after.size && BigInt(content.length) === after.size
    // Pipes and /proc have no size; they are read to their end.
    return settled || !after.isFile() || after.size === 0n ? content.toString('utf8') : undefined
  } finally {
    await file.close()
  }
}
