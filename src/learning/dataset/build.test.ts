import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type BuildOptions, type Built, buildDataset } from './build.ts'
import { testFolder, write } from './dataset.fixtures.ts'
import { groupKeys, normalised, stem } from './groups.ts'
import { loadDataset } from './load.ts'
import { Problems } from './problems.ts'
import { splitRows } from './split.ts'

const build = (paths: readonly string[], out: string, more: Partial<BuildOptions> = {}): Promise<Built> =>
  buildDataset(paths, { out, name: 'test', problems: new Problems(), now: new Date(0), ...more })

const words = ['river', 'engine', 'winter', 'copper', 'garden', 'planet', 'violin', 'harbour', 'meadow', 'candle']
const question = (n: number): string =>
  `Question ${words[n % 10]} ${words[(n * 7 + 3) % 10]}: how would ${words[(n * 3 + 1) % 10]} number ${n} behave in the ${words[(n * 11) % 10]}?`

const llmRouterLines = (count: number) =>
  Array.from({ length: count }, (_, n) => [
    { query: question(n), model_name: 'a', performance: n % 2, output_tokens: 10 },
    { query: question(n), model_name: 'b', performance: 1, output_tokens: 20 },
  ]).flat()

describe('a dataset', () => {
  it('joins what lines of any format and file tell of the same prompt', async () => {
    const folder = testFolder()
    const one = write(folder, 'one.jsonl', [
      { query: 'What is  the time?', model_name: 'a', performance: 0, input_tokens: 4 },
      { query: 'what is the TIME?', model_name: 'a', performance: 1, input_tokens: 6 },
      { query: 'other', model_name: 'a', performance: 1 },
    ])
    const two = write(folder, 'two.csv', 'prompt,b,c\nWhat is the time?,True,False\n')
    const { card, path } = await build([one, two], join(folder, 'd.jsonl.gz'))
    expect(card).toMatchObject({ rows: 2, models: ['a', 'b', 'c'], joined: { prompts: 1, lines: 2 } })
    const { rows, models } = await loadDataset(path)
    expect(models.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    const time = rows.find(({ text }) => normalised(text) === 'what is the time?')
    expect([...(time?.quality ?? [])]).toEqual([0.5, 1, 0])
    expect([...(rows.find(({ text }) => text === 'other')?.quality ?? [])]).toEqual([1, Number.NaN, Number.NaN])
  })

  it('does not depend on the order of lines, and its hash is that of its unzipped lines', async () => {
    const folder = testFolder()
    const lines = llmRouterLines(40)
    const { card, path } = await build([write(folder, 'a.jsonl', lines)], join(folder, 'd.jsonl.gz'))
    const text = gunzipSync(readFileSync(path))
    expect(card.sha256).toBe(createHash('sha256').update(text).digest('hex'))
    const other = await build([write(folder, 'b.jsonl', [...lines].reverse())], join(folder, 'e.jsonl.gz'))
    expect(gunzipSync(readFileSync(other.path)).equals(text)).toBe(true)
    expect((await loadDataset(path)).hash).toBe(card.sha256)
  })

  it('that was changed after its card was written is refused', async () => {
    const folder = testFolder()
    const { path } = await build([write(folder, 'a.jsonl', llmRouterLines(5))], join(folder, 'd.jsonl.gz'))
    write(folder, 'd.jsonl.gz', gunzipSync(readFileSync(path)).toString().replace('"q":[', '"q": ['))
    await expect(loadDataset(path)).rejects.toThrow(/is not the file its card/)
  })

  it('has no group, stem or text on both sides of its split', async () => {
    const folder = testFolder()
    const lines = [
      ...llmRouterLines(200),
      // The same questions with other choices, and a template with other numbers at its end.
      ...llmRouterLines(100).map(line => ({ ...line, query: `${line.query}\nA. yes\nB. no\nAnswer:` })),
      ...Array.from({ length: 15 }, (_, n) => ({
        query: `You are given a crate that holds apples, pears and plums in some unknown proportion; a farmer adds fruit until the crate is full, and counts. How many in case ${n}?`,
        model_name: 'a',
        performance: 1,
      })),
    ]
    const { path, card } = await build([write(folder, 'a.jsonl', lines)], join(folder, 'd.jsonl.gz'))
    expect(card.split.test).toBeGreaterThan(20)
    expect(card.split.train).toBeGreaterThan(100)
    const sides = {
      train: await loadDataset(path, { split: 'train' }),
      test: await loadDataset(path, { split: 'test' }),
    }
    expect(sides.train.rows.length + sides.test.rows.length).toBe(card.rows)
    const letters = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '')
    for (const key of [
      (row: { text: string }) => normalised(row.text),
      (row: { text: string }) => letters(stem(row.text)),
      (row: { text: string }) => letters(row.text).slice(0, 120),
    ]) {
      const train = new Set(sides.train.rows.map(key))
      expect(sides.test.rows.filter(row => train.has(key(row)))).toEqual([])
    }
  })

  it('keeps label sources and weights, and counts what it leaves out', async () => {
    const folder = testFolder()
    write(folder, 'a.meta.json', JSON.stringify({ models: ['x', 'y'] }))
    const path = write(folder, 'a.jsonl', [
      { text: 'labelled by a judge and a person', q: [0.5, 1], w: [0.7, 0.9], by: ['judge', 'feedback'] },
      { text: 'not labelled', q: [null, null] },
    ])
    const { card } = await build([path], join(folder, 'd.jsonl.gz'))
    expect(card.labels).toEqual([
      { model: 'x', source: 'judge', count: 1, mean_quality: 0.5, mean_weight: 0.7 },
      { model: 'y', source: 'feedback', count: 1, mean_quality: 1, mean_weight: 0.9 },
    ])
    expect(card.unlabelled).toBe(1)
    expect([...((await loadDataset(join(folder, 'd.jsonl.gz'))).rows[0]?.weight ?? [])]).toEqual([0.7, 0.9])
    expect(readFileSync(join(folder, 'd.card.md'), 'utf8')).toContain('| x | judge | 1 | 0.5 | 0.7 |')
    const none = write(folder, 'a.jsonl', [{ text: 'not labelled', q: [null, null] }])
    await expect(build([none], join(folder, 'e.jsonl.gz'))).rejects.toThrow(/none of 1 prompts has a label/)
    expect(existsSync(join(folder, 'e.meta.json'))).toBe(false)
  })
})

describe('the split', () => {
  it('takes the newest groups as the test where times are known', () => {
    const rows = Array.from({ length: 100 }, (_, n) => ({ group: `g${n % 50}`, at: 1000 * (n % 50), given: undefined }))
    const { splits, rule } = splitRows(rows, 0.2)
    expect(rule).toContain('by time')
    expect(splits.filter(split => split === 'test')).toHaveLength(20)
    rows.forEach(({ at }, n) => {
      expect(splits[n]).toBe(at >= 40_000 ? 'test' : 'train')
    })
  })

  it('draws groups where times say nothing', () => {
    const rows = Array.from({ length: 1000 }, (_, n) => ({ group: `g${n % 300}`, at: undefined, given: undefined }))
    const { splits } = splitRows(rows, 0.3)
    const share = splits.filter(split => split === 'test').length / 1000
    expect(share).toBeGreaterThan(0.2)
    expect(share).toBeLessThan(0.4)
    const byGroup = new Map<string, string>()
    rows.forEach(({ group }, n) => {
      expect(byGroup.get(group) ?? splits[n]).toBe(splits[n])
      byGroup.set(group, splits[n] ?? '')
    })
  })
})

describe('groups', () => {
  it('join the same question behind another preamble, and not all questions behind the same one', () => {
    const preamble =
      'Please answer with the letter of the correct answer. Here is an example of what is meant by that. '.repeat(3)
    const own = Array.from({ length: 60 }, (_, n) => ({ text: `${preamble}\n\n${question(n)}\nA) x\nB) y` }))
    const keys = groupKeys([...own, { text: `Another start.\n\n${question(3)}\nA) p\nB) q` }])
    expect(new Set(keys).size).toBe(60)
    expect(keys[60]).toBe(keys[3])
  })
})
