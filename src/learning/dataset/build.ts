import { createHash } from 'node:crypto'
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Label, type Quality, qualityOf } from '../labels/label.ts'
import { CardCounts, type CardSource, cardMarkdown, type DatasetCard } from './card.ts'
import type { Example, Outcome, Split } from './example.ts'
import { detectFormat, type Format, readExamples } from './format.ts'
import { type GroupingKeys, groupingKeys, groupsOf } from './groups.ts'
import { linesOf } from './lines.ts'
import { baseName, findMeta, type Meta, type Prices, readMeta } from './meta.ts'
import { Partitions } from './partitions.ts'
import { DatasetError, type Problems } from './problems.ts'
import { type SplitRow, splitRows } from './split.ts'

export interface BuildOptions {
  /** `….jsonl.gz`. */
  readonly out: string
  readonly name: string
  readonly problems: Problems
  readonly now: Date
  /** Of all files; default: told by each. */
  readonly format?: Format
  readonly meta?: Meta
  readonly prices?: ReadonlyMap<string, Prices>
  /** Default 0.2. */
  readonly testShare?: number
  readonly keepUnlabelled?: boolean
  /** More labels for an answer, from checks or a judge. */
  readonly label?: (example: Example, outcome: Outcome) => Promise<readonly Label[]>
  readonly onProgress?: (examples: number) => void
}

export interface Built {
  readonly path: string
  readonly card: DatasetCard
}

/**
 * Data in any format into one versioned dataset: joined by prompt, labels weighed, grouped by stem and template, split by
 * group and time. Memory: about 0.5 kB a prompt; texts stay on disk.
 *
 * @throws DatasetError
 */
export async function buildDataset(paths: readonly string[], options: BuildOptions): Promise<Built> {
  if (!/\.jsonl\.gz$/.test(options.out))
    throw new DatasetError(`${options.out}: a dataset is written as <name>.jsonl.gz`)
  const parts = new Partitions()
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-build-'))
  try {
    const read = await readAll(paths, parts, options)
    const joined = await joinAll(parts, join(folder, 'joined.jsonl'), options)
    const { splits, rule } = splitRows(joined.rows, options.testShare ?? 0.2)
    const models = [...joined.models].sort()
    const counts = new CardCounts()
    const hash = createHash('sha256')
    const lines = Readable.from(rowLines(join(folder, 'joined.jsonl'), joined.rows, splits, models, counts))
    const hashed = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        done(null, chunk)
      },
    })
    await pipeline(lines, hashed, createGzip(), createWriteStream(options.out))
    const card = counts.card({
      name: options.name,
      sha256: hash.digest('hex'),
      created_at: options.now.toISOString(),
      models,
      prices: new Map([...read.prices, ...(options.prices ?? [])].filter(([model]) => joined.models.has(model))),
      splitRule: rule,
      joined: { prompts: joined.joinedPrompts, lines: joined.joinedLines },
      unlabelled: joined.unlabelled,
      bad_lines: options.problems.bad,
      sources: read.sources,
    })
    if (card.rows === 0)
      throw new DatasetError(
        joined.unlabelled > 0
          ? `none of ${joined.unlabelled} prompts has a label: collect feedback, or add checks (--check) or a judge`
          : 'the data hold no prompt',
      )
    writeFileSync(`${baseName(options.out)}.meta.json`, `${JSON.stringify(card, null, 2)}\n`)
    writeFileSync(`${baseName(options.out)}.card.md`, cardMarkdown(card))
    return { path: options.out, card }
  } finally {
    parts.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function readAll(
  paths: readonly string[],
  parts: Partitions,
  options: BuildOptions,
): Promise<{ readonly sources: CardSource[]; readonly prices: Map<string, Prices> }> {
  const sources: CardSource[] = []
  const prices = new Map<string, Prices>()
  let read = 0
  for (const [number, path] of paths.entries()) {
    const format = options.format ?? (await detectFormat(path))
    const meta = findMeta(path)
    for (const [model, price] of meta === undefined ? (options.meta?.prices ?? []) : readMeta(meta).prices)
      prices.set(model, price)
    let examples = 0
    for await (const example of readExamples(path, format, options.problems, options.meta)) {
      parts.add(number, await labelled(example, options.label))
      examples++
      if (++read % 1000 === 0) options.onProgress?.(read)
    }
    sources.push({ file: basename(path), format, examples })
  }
  return { sources, prices }
}

/** With further labels, and without answers: they are not kept. */
async function labelled(example: Example, label: BuildOptions['label']): Promise<Example> {
  const outcomes: Outcome[] = []
  for (const outcome of example.outcomes) {
    const more = label === undefined ? [] : await label(example, outcome)
    const { response: _, ...kept } = outcome
    outcomes.push({ ...kept, labels: [...outcome.labels, ...more] })
  }
  return { ...example, outcomes }
}

interface JoinResult {
  readonly rows: readonly SplitRow[]
  readonly models: ReadonlySet<string>
  readonly joinedPrompts: number
  readonly joinedLines: number
  readonly unlabelled: number
}

/** Writes joined examples to a file and keeps what grouping and splitting need. */
async function joinAll(parts: Partitions, file: string, options: BuildOptions): Promise<JoinResult> {
  const keys: GroupingKeys[] = []
  const facts: Omit<SplitRow, 'group'>[] = []
  const models = new Set<string>()
  let [joinedPrompts, joinedLines, unlabelled] = [0, 0, 0]
  async function* lines(): AsyncGenerator<string> {
    for await (const { key, example, lines } of parts.joined()) {
      if (lines > 1) joinedPrompts++
      joinedLines += lines - 1
      const isLabelled = example.outcomes.some(({ labels }) => qualityOf(labels) !== undefined)
      if (!isLabelled) unlabelled++
      if (!isLabelled && options.keepUnlabelled !== true) continue
      for (const { model } of example.outcomes) models.add(model)
      keys.push(groupingKeys(example))
      facts.push({ at: example.at, given: example.split })
      // Line numbers and ids of several files may be the same: a prompt's key is its id then.
      yield `${JSON.stringify({ ...example, id: /^line-\d+$/.test(example.id) ? key : example.id })}\n`
    }
  }
  await pipeline(Readable.from(lines()), createWriteStream(file))
  const groups = groupsOf(keys)
  const rows = facts.map((fact, at) => ({ ...fact, group: groups[at] ?? '' }))
  return { rows, models, joinedPrompts, joinedLines, unlabelled }
}

async function* rowLines(
  file: string,
  rows: readonly SplitRow[],
  splits: readonly Split[],
  models: readonly string[],
  counts: CardCounts,
): AsyncGenerator<string> {
  let at = 0
  for await (const { text } of linesOf(file)) {
    const example = JSON.parse(text) as Example
    const group = rows[at]?.group ?? ''
    const split = splits[at] ?? 'train'
    at++
    const qualities = new Map<string, Quality>()
    for (const { model, labels } of example.outcomes) {
      const quality = qualityOf(labels)
      if (quality !== undefined) qualities.set(model, quality)
    }
    counts.add(example, qualities, group, split)
    yield `${JSON.stringify(rowOf(example, qualities, group, split, models))}\n`
  }
}

/** In the routing-data format. */
function rowOf(
  example: Example,
  qualities: ReadonlyMap<string, Quality>,
  group: string,
  split: Split,
  models: readonly string[],
): { readonly [field: string]: unknown } {
  const outcomes = models.map(model => example.outcomes.find(outcome => outcome.model === model))
  const column = (value: (at: number) => number | null | undefined): (number | null)[] | undefined => {
    const values = models.map((_, at) => rounded(value(at)))
    return values.every(entry => entry === null) ? undefined : values
  }
  const quality = (at: number): Quality | undefined => qualities.get(models[at] ?? '')
  const trusted = [...qualities.values()].every(({ weight }) => weight === 1)
  return {
    id: example.id,
    task: example.task,
    group,
    split,
    at: example.at,
    text: example.text,
    system: example.system,
    shape: example.shape,
    in: rounded(example.inputTokens),
    q: models.map((_, at) => rounded(quality(at)?.value)),
    c: column(at => outcomes[at]?.cost),
    ot: column(at => outcomes[at]?.outputTokens),
    ms: column(at => outcomes[at]?.latency),
    p: column(at => outcomes[at]?.propensity),
    w: trusted ? undefined : column(at => quality(at)?.weight),
    by: models.map((_, at) => quality(at)?.source ?? null),
  }
}

const rounded = (value: number | null | undefined): number | null =>
  value === undefined || value === null || !Number.isFinite(value) ? null : Number(value.toPrecision(7))
