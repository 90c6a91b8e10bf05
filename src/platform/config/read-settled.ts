import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const attempts = 20
/** Milliseconds. A file that was changed less long ago may still be written to. */
const fresh = 50
const pause = 10

/**
 * Reads a text file that may be written to at this very moment. A plain read asks for the size first and stops there:
 * racing with an edit it returns the first bytes of the new content, which can be a valid config without its end (its
 * master key, for one). So size and time of change must be the same before and after the read, and a file that was
 * changed a moment ago must read the same a moment later.
 *
 * Rejects like `fs.readFile`; with `EBUSY` for a file that never comes to rest.
 */
export async function readSettled(path: string): Promise<string> {
  let last: Buffer | undefined
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { content, settled, changedAt } = await readOnce(path)
    if (settled && (Date.now() - changedAt > fresh || last?.equals(content) === true)) return content.toString('utf8')
    last = settled ? content : undefined
    await delay(pause)
  }
  throw Object.assign(new Error(`${path} is being written to all the time`), { code: 'EBUSY' })
}

async function readOnce(path: string): Promise<{ content: Buffer; settled: boolean; changedAt: number }> {
  const file = await open(path)
  try {
    const before = await file.stat({ bigint: true })
    const content = await file.readFile()
    const after = await file.stat({ bigint: true })
    // Pipes and /proc have no size; they are read to their end.
    if (!after.isFile()) return { content, settled: true, changedAt: 0 }
    const settled =
      before.mtimeNs === after.mtimeNs && before.size === after.size && BigInt(content.length) === after.size
    return { content, settled, changedAt: Number(after.mtimeMs) }
  } finally {
    await file.close()
  }
}
