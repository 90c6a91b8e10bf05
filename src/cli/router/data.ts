import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildDataset } from '../../learning/dataset/build.ts'
import type { Split } from '../../learning/dataset/example.ts'
import { detectFormat, type Format, formats } from '../../learning/dataset/format.ts'
import { defaultMaxRows, loadDataset } from '../../learning/dataset/load.ts'
import { type Meta, type Prices, readMeta, readPrices } from '../../learning/dataset/meta.ts'
import { DatasetError, Problems, toldProblem } from '../../learning/dataset/problems.ts'
import type { Dataset } from '../../learning/dataset.ts'
import { decimal, oneOf, wholeNumber } from './misuse.ts'
import type { Output } from './output.ts'

/** Options of every command that reads data. */
export const dataOptions = {
  format: { type: 'string' },
  meta: { type: 'string' },
  prices: { type: 'string' },
  'bad-lines': { type: 'string' },
  'max-rows': { type: 'string' },
} as const

export const dataUsage = `Data:
  --format <name>          ${formats.join(', ')} (default: told by the file)
  --meta <file>            order of models and prices, where no <data>.meta.json stands beside the data
  --prices <file>          {"model": [input, output]} in US dollars per million tokens
  --bad-lines <share>      lines that may be unreadable before a file is refused (default 0.05)
  --max-rows <number>      rows held in memory; of more, a fixed sample (default ${defaultMaxRows})
`

export interface DataSettings {
  readonly format: Format | undefined
  readonly meta: Meta | undefined
  readonly prices: ReadonlyMap<string, Prices> | undefined
  readonly badLines: number
  readonly maxRows: number
}

export function dataSettings(values: { readonly [name: string]: unknown }): DataSettings {
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined)
  const format = text('format')
  const meta = text('meta')
  const prices = text('prices')
  return {
    format: format === undefined ? undefined : oneOf('format', format, formats),
    meta: meta === undefined ? undefined : readMeta(meta),
    prices: prices === undefined ? undefined : readPrices(prices),
    badLines: decimal('bad-lines', text('bad-lines'), 0.05, 0, 1),
    maxRows: wholeNumber('max-rows', text('max-rows'), defaultMaxRows, 1, 10_000_000),
  }
}

/**
 * Data in memory, whatever it was in: one routing-data file is read as it is, everything else is first joined and
 * de-duplicated on disk.
 */
export async function openData(
  paths: readonly string[],
  settings: DataSettings,
  output: Output,
  split?: Split,
): Promise<Dataset> {
  const problems = new Problems(settings.badLines)
  const load = (path: string): Promise<Dataset> =>
    loadDataset(path, {
      problems,
      maxRows: settings.maxRows,
      ...(settings.meta !== undefined && { meta: settings.meta }),
      ...(settings.prices !== undefined && { prices: settings.prices }),
      ...(split !== undefined && { split }),
    })
  const [only] = paths
  try {
    if (only !== undefined && paths.length === 1 && (settings.format ?? (await detectFormat(only))) === 'routing-data')
      return await load(only)
    const folder = await mkdtemp(join(tmpdir(), 'routeiq-data-'))
    try {
      const built = await buildDataset(paths, {
        out: join(folder, 'data.jsonl.gz'),
        name: 'data',
        problems,
        now: new Date(),
        ...(settings.format !== undefined && { format: settings.format }),
        ...(settings.meta !== undefined && { meta: settings.meta }),
        ...(settings.prices !== undefined && { prices: settings.prices }),
      })
      return await load(built.path)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  } finally {
    tellProblems(problems, output)
  }
}

/** Prompts of one group stand on one side of every split: where there is one group only, nothing can be held out. */
export function refuseOneGroup({ rows }: Dataset): void {
  const groups = new Set(rows.map(({ group }, at) => group ?? at))
  if (groups.size > 1 || rows.length < 2) return
  throw new DatasetError(
    `all ${rows.length} prompts belong to one session, so none can be held out to judge by: ` +
      'collect calls of several sessions (x-routeiq-session; without one, each conversation counts as one)',
  )
}

export function tellProblems(problems: Problems, output: Output): void {
  if (problems.bad === 0) return
  const shown = problems.first.map(problem => `  ${toldProblem(problem)}\n`).join('')
  const more = problems.bad > problems.first.length ? `  … and ${problems.bad - problems.first.length} more\n` : ''
  output.err(`${problems.bad} ${problems.bad === 1 ? 'line was' : 'lines were'} passed over:\n${shown}${more}`)
}
