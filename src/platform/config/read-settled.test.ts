import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it } from 'vitest'
import { readSettled } from './read-settled.ts'

const folder = mkdtempSync(join(tmpdir(), 'routeiq-read-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('reading a file that is being written', () => {
  it('returns one of its whole contents, or nothing yet, never the front of one', async () => {
    const path = join(folder, 'edited')
    // A plain read returns the front of the longer one now and then; so does the end of a write that was interrupted.
    const contents = [`${'a'.repeat(300)}end`, `${'b'.repeat(60_000)}end`]
    writeFileSync(path, contents[0] ?? '')
    const writer = new Worker(
      `const { workerData: { path, contents } } = require('node:worker_threads')
       const { writeFileSync } = require('node:fs')
       const never = new Int32Array(new SharedArrayBuffer(4))
       for (let n = 1; ; n++) {
         writeFileSync(path, contents[n % 2])
         Atomics.wait(never, 0, 0, Math.random() * 40)
       }`,
      { eval: true, workerData: { path, contents } },
    )
    try {
      for (let n = 0; n < 100; n++) {
        const text = await readSettled(path).catch(error => {
          if (error.code === 'EBUSY') return ''
          throw error
        })
        expect(['', ...contents]).toContain(text)
      }
    } finally {
      await writer.terminate()
    }
  })

  it('reads what is no plain file, and says what is not there', async () => {
    expect(await readSettled('/dev/null')).toBe('')
    await expect(readSettled(join(folder, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
