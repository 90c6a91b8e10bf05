import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { routeiq, syntheticRows, writeRoutingData } from './skills.ts'

let folder: string
/** A file that words predict, another part of it without a list of models, and one where words say nothing. */
let train: string
let test: string
let noise: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-cli-'))
  train = writeRoutingData(folder, 'skills', syntheticRows({ rows: 140 }))
  test = writeRoutingData(folder, 'sealed', syntheticRows({ from: 1000, rows: 160 }), false)
  noise = writeRoutingData(folder, 'noise', syntheticRows({ rows: 140, learnable: false }))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// One thread: these data are too small for more, and the machine may be busy.
const quick = ['--threads', '0', '--folds', '2']
// Every command is a process that trains for a second or two of an idle machine.
vi.setConfig({ testTimeout: 180_000 })

describe('routeiq router eval', () => {
  it('trains on one file and scores on another, which brings no list of models', async () => {
    const html = join(folder, 'report.html')
    const run = await routeiq(['router', 'eval', '--train', train, '--test', test, '--json', '--html', html, ...quick])
    expect(run.code, run.err).toBe(0)
    const report = JSON.parse(run.out)
    expect(report).toMatchObject({
      format: 'routeiq.router_evaluation.v1',
      split: 'test file',
      rows: 160,
      models: ['strong', 'sums', 'songs'],
      recommended: 'average',
      gate: { passed: true },
    })
    const [method] = report.methods
    // Knowing the kind of each prompt gives all of the strong model's quality at a tenth of its cost.
    expect(method.aiq).toBeGreaterThan(report.baselines.hull_of_singles.aiq + 0.1)
    expect(method.aiq).toBeLessThanOrEqual(report.baselines.oracle.aiq)
    expect(method.presets.balanced.cost_per_1k).toBeLessThan(0.3 * report.baselines.best_single.cost_per_1k)
    expect(method.cost_error.per_call).toBeLessThan(0.05)
    expect(report.microseconds.p50).toBeGreaterThan(0)
    const page = readFileSync(html, 'utf8')
    expect(page).toContain('<polyline class="router"')
    expect(page).not.toMatch(/<script|https?:/)
    // Nothing of a progress bar where nobody watches.
    expect(run.err).not.toContain('\u001b')
  })

  it('fails where words say nothing', async () => {
    const run = await routeiq(['router', 'eval', '--train', noise, ...quick])
    expect(run.code, run.out).toBe(1)
    expect(run.out).toContain('2-fold cross-validation')
    expect(run.out).toContain('gate: FAILED')
    expect(run.out).toContain('average (recommended, weaker)')
    expect(run.err).toContain('--force')
  })

  it('refuses a test whose prompts were trained on', async () => {
    const leak = writeRoutingData(folder, 'leak', syntheticRows({ from: 130, rows: 20 }))
    const run = await routeiq(['router', 'eval', '--train', train, '--test', leak, ...quick])
    expect(run.code).toBe(2)
    expect(run.err).toContain('10 of 20 prompts of the test stand in the training data too')
  })

  it('tells of bad lines by file, line and field, and of mistakes in a sentence', async () => {
    const bad = writeRoutingData(folder, 'bad', [...syntheticRows({ rows: 40 }), { text: 'x', q: [1] }])
    const told = await routeiq(['router', 'dataset', 'build', bad, '--out', join(folder, 'bad-built.jsonl.gz')])
    expect(told.code, told.err).toBe(0)
    expect(told.err).toContain('bad.jsonl:41 q: has 1 numbers for 3 models')
    for (const [args, message] of [
      [['eval'], 'give --train'],
      [['eval', '--train', join(folder, 'none.jsonl')], /there is no .*none\.jsonl/],
      [['eval', '--train', test], /sealed\.meta\.json/],
      [['eval', '--train', train, '--methods', 'magic'], 'there is no magic'],
      [['eval', '--train', train, '--folds', 'x'], '--folds must be a whole number from 2 to 100, not x'],
      [['train', train], 'give --out'],
      [['inspect', train], /artifact refused/],
      [['levitate'], 'unknown command: levitate'],
    ] as const) {
      const run = await routeiq(['router', ...args])
      expect(run.code, args.join(' ')).toBe(2)
      expect(run.err).toMatch(message)
      expect(run.err, 'a sentence, no stack').not.toMatch(/\n {4}at /)
    }
  })
})

describe('routeiq router train', () => {
  it('writes an artifact that passes the gate, signed; inspect and eval read it', async () => {
    const key = join(folder, 'key.pem')
    writeFileSync(key, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const out = join(folder, 'router.routeiq')
    const methods = ['--methods', 'average,ridge', ...quick]
    const run = await routeiq(['router', 'train', train, '--out', out, '--sign', key, ...methods])
    expect(run.code, run.err).toBe(0)
    expect(run.out).toContain('gate: passed')
    const inspected = await routeiq(['router', 'inspect', out, '--json'])
    const facts = JSON.parse(inspected.out)
    expect(facts).toMatchObject({ name: 'skills', signed: true })
    expect(facts.methods).toEqual(expect.arrayContaining(['average', 'ridge']))
    expect(facts.models.map(({ id, labels }: { id: string; labels: number }) => [id, labels])).toEqual([
      ['strong', 140],
      ['sums', 140],
      ['songs', 140],
    ])
    const scored = await routeiq([
      'router',
      'eval',
      '--artifact',
      out,
      '--test',
      test,
      '--meta',
      join(folder, 'skills.meta.json'),
      '--json',
    ])
    expect(scored.code, scored.err).toBe(0)
    expect(JSON.parse(scored.out)).toMatchObject({ split: 'artifact', gate: { passed: true } })
  })

  it('writes nothing where the gate fails, unless it is forced', async () => {
    const out = join(folder, 'weak.routeiq')
    const command = ['router', 'train', noise, '--out', out, '--methods', 'ridge', ...quick]
    const run = await routeiq(command)
    expect(run.code).toBe(1)
    expect(run.err).toContain('weak.routeiq was not written')
    expect(existsSync(out)).toBe(false)
    const forced = await routeiq([...command, '--force'])
    expect(forced.code, forced.err).toBe(0)
    expect(forced.err).toContain('--force says to go on')
    expect(existsSync(out)).toBe(true)
  })
})

describe('routeiq router dataset', () => {
  it('builds one dataset of several formats with a card; training takes its train part, scoring its test part', async () => {
    const lines = syntheticRows({ from: 5000, rows: 60 }).flatMap(row => {
      const { text, q } = row as { text: string; q: number[] }
      return ['strong', 'sums', 'songs'].map((model, at) => ({ query: text, model_name: model, performance: q[at] }))
    })
    const other = join(folder, 'llmrouter.jsonl')
    writeFileSync(other, lines.map(line => JSON.stringify(line)).join('\n'))
    const out = join(folder, 'built.jsonl.gz')
    const built = await routeiq([
      'router',
      'dataset',
      'build',
      train,
      other,
      '--out',
      out,
      '--json',
      '--test-share',
      '0.4',
    ])
    expect(built.code, built.err).toBe(0)
    const card = JSON.parse(built.out)
    expect(card).toMatchObject({ rows: 200, models: ['songs', 'strong', 'sums'], joined: { prompts: 60, lines: 120 } })
    expect(card.sources.map(({ format }: { format: string }) => format)).toEqual(['routing-data', 'llmrouter'])
    const shown = await routeiq(['router', 'dataset', 'card', out])
    expect(shown.out).toContain('## Labels')
    const scored = await routeiq(['router', 'eval', '--train', out, '--test', out, '--json', '--force', ...quick])
    expect(scored.code, scored.err).toBe(0)
    expect(JSON.parse(scored.out).rows).toBe(card.split.test)
  })
})

describe('routeiq router compare', () => {
  it('prints a table per file for a document', async () => {
    const run = await routeiq([
      'router',
      'compare',
      train,
      '--methods',
      'average,ridge',
      '--folds',
      '2',
      '--markdown',
      ...quick,
    ])
    expect(run.code, run.err).toBe(0)
    expect(run.out).toContain('### skills')
    expect(run.out).toMatch(/\| average \(recommended\) \| 0\.\d{4} \|/)
    expect(run.out).toMatch(/\| ridge \| 0\.\d{4} \|/)
  })
})
