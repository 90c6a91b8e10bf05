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
    const contents = ['a', 'b', 'c'].map((letter, index) => `${letter.repeat(300 * (index + 1))}end`)
    writeFileSync(path, contents[0] ?? '')
    const writer = new Worker(
      `const { workerData: { path, contents } } = require('node:worker_threads')
       const { writeFileSync } = require('node:fs')
       let n = 0
       setInterval(() => { for (let i = 0; i < 5; i++) writeFileSync(path, contents[n++ % 3]) }, 1)`,
      { eval: true, workerData: { path, contents } },
    )
    try {
      for (let n = 0; n < 300; n++) {
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
