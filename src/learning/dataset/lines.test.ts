import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { recordsOf } from './csv.ts'
import { all, testFolder, write } from './dataset.fixtures.ts'
import { linesOf } from './lines.ts'

describe('lines', () => {
  it('keep their numbers over blank lines, CRLF, a byte order mark and a missing last newline', async () => {
    const path = write(testFolder(), 'a.jsonl', '\uFEFFone\r\n\n  \ntwo\nthree')
    expect(await all(linesOf(path))).toEqual([
      { text: 'one', number: 1 },
      { text: 'two', number: 4 },
      { text: 'three', number: 5 },
    ])
  })

  it('do not end at U+2028, which JSON allows in text', async () => {
    const path = write(testFolder(), 'a.jsonl', '{"a":"x\u2028y"}\n{}\n')
    expect((await all(linesOf(path))).map(({ text }) => text)).toEqual(['{"a":"x\u2028y"}', '{}'])
  })

  it('are unzipped by content, over pieces that cut characters in two', async () => {
    const folder = testFolder()
    const long = `${'ü€😀'.repeat(100_000)}`
    const path = write(folder, 'a.jsonl.gz', `${long}\nlast\n`)
    const misnamed = `${folder}/plain-name.jsonl`
    writeFileSync(misnamed, readFileSync(path))
    const [first, last] = await all(linesOf(misnamed))
    expect(first?.text === long).toBe(true)
    expect(last).toEqual({ text: 'last', number: 2 })
  })

  it('of a file that is cut off, or not there, are an error that names it', async () => {
    const folder = testFolder()
    const path = write(folder, 'a.jsonl.gz', 'x'.repeat(10_000))
    writeFileSync(path, readFileSync(path).subarray(0, 30))
    await expect(all(linesOf(path))).rejects.toThrow(/a\.jsonl\.gz cannot be read to its end/)
    await expect(all(linesOf(`${folder}/none`))).rejects.toThrow(/there is no .*none/)
    await expect(all(linesOf(folder))).rejects.toThrow(/is not a file/)
  })
})

describe('CSV', () => {
  it('knows quotes, doubled quotes, commas and newlines in cells, and where a record began', async () => {
    const path = write(testFolder(), 'a.csv', 'a,b\r\n"x, ""y""\nz",1\n,"",\n\nlast,"q"')
    expect(await all(recordsOf(path))).toEqual([
      { cells: ['a', 'b'], line: 1 },
      { cells: ['x, "y"\nz', '1'], line: 2 },
      { cells: ['', '', ''], line: 4 },
      { cells: ['last', 'q'], line: 6 },
    ])
  })

  it('reads the same in pieces of any size', async () => {
    const cell = `"${'a ""quoted"" line,\n'.repeat(40_000)}"`
    const path = write(testFolder(), 'a.csv', `h,i\n${cell},2\n`)
    const [, record] = await all(recordsOf(path))
    expect(record?.cells[0]).toBe('a "quoted" line,\n'.repeat(40_000))
    expect(record?.cells[1]).toBe('2')
  })

  it('refuses a quote that is never closed', async () => {
    const path = write(testFolder(), 'a.csv', 'a,b\n1,"2\n3,4\n')
    await expect(all(recordsOf(path))).rejects.toThrow(/a\.csv:2: a quoted cell is never closed/)
  })
})
