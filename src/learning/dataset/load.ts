import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Dataset, ModelFacts, Row } from '../dataset.ts'
import { qualityOf } from '../labels/label.ts'
import type { Example, Split } from './example.ts'
import { baseName, findMeta, type Meta, type Prices, readMeta } from './meta.ts'
import { completeRow, fitPrices } from './prices.ts'
import { DatasetError, Problems } from './problems.ts'
import { readRoutingData } from './readers/routing-data.ts'

export interface LoadOptions {
  /** Where none stands beside the file. */
  readonly meta?: Meta
  /** Beats the meta file and what costs suggest. */
  readonly prices?: ReadonlyMap<string, Prices>
  readonly problems?: Problems
  /** Only rows of this split. */
  readonly split?: Split
  /** More rows than this: those whose hash is smallest, a sample that does not depend on their order. */
  readonly maxRows?: number
}

/** Memory is for rows, not for surprises: about 1 kB a row with its text. */
export const defaultMaxRows = 200_000

/** Reads a file in the routing-data format (see `readers/routing-data.ts`) into memory. @throws DatasetError */
export async function loadDataset(path: string, options: LoadOptions = {}): Promise<Dataset> {
  const metaPath = findMeta(path)
  const meta = metaPath === undefined ? options.meta : readMeta(metaPath)
  if (meta === undefined)
    throw new DatasetError(
      `${path}: the order of models is not known: put a ${baseName(path)}.meta.json beside it, ` +
        `{"models": ["…"], "usd_per_mtok_in_out": {"…": [1, 2]}}`,
    )
  const problems = options.problems ?? new Problems()
  const hash = createHash('sha256')
  const sample = new Sample(options.maxRows ?? defaultMaxRows)
  for await (const example of readRoutingData(path, meta.models, problems, ({ text }) => hash.update(`${text}\n`))) {
    if (options.split !== undefined && example.split !== undefined && example.split !== options.split) continue
    const row = rowOf(example, meta.models)
    if (row !== undefined) sample.add(row)
  }
  const rows = sample.rows()
  if (rows.length === 0)
    throw new DatasetError(`${path} has no row with a known quality: there is nothing to learn from`)
  const models = priced(meta, rows, options.prices)
  for (const row of rows) completeRow(row, models)
  const digest = hash.digest('hex')
  if (meta.hash !== undefined && meta.hash !== digest)
    throw new DatasetError(
      `${path} is not the file its card (${metaPath ?? 'given'}) describes: sha256 ${digest}, not ${meta.hash}`,
    )
  return { name: meta.name ?? basename(baseName(path)), models, rows, hash: digest }
}

/** @returns undefined where no model's quality is known */
export function rowOf(example: Example, models: readonly string[]): Row | undefined {
  const empty = (): Float64Array => new Float64Array(models.length).fill(Number.NaN)
  const quality = empty()
  const weight = empty()
  const cost = empty()
  const outputTokens = empty()
  const latency = empty()
  const propensity = empty()
  let known = 0
  for (const outcome of example.outcomes) {
    const index = models.indexOf(outcome.model)
    if (index < 0) continue
    cost[index] = outcome.cost
    outputTokens[index] = outcome.outputTokens
    latency[index] = outcome.latency
    propensity[index] = outcome.propensity ?? Number.NaN
    const label = qualityOf(outcome.labels)
    if (label === undefined) continue
    quality[index] = label.value
    weight[index] = label.weight
    known++
  }
  if (known === 0) return undefined
  const { id, text, system, shape, group, task, inputTokens, at } = example
  return {
    id,
    text,
    ...(system !== undefined && { system }),
    ...(shape !== undefined && { shape }),
    ...(group !== undefined && { group }),
    ...(task !== undefined && { task }),
    ...(at !== undefined && { at }),
    ...(weight.some(value => value < 1) && { weight }),
    ...(propensity.some(value => value > 0) && { propensity }),
    quality,
    cost,
    inputTokens,
    outputTokens,
    latency,
  }
}

function priced(meta: Meta, rows: readonly Row[], given: LoadOptions['prices']): ModelFacts[] {
  return meta.models.map((id, index) => {
    const prices = given?.get(id) ?? meta.prices.get(id) ?? fitPrices(rows, index)
    return { id, inputPrice: prices?.inputPrice ?? 0, outputPrice: prices?.outputPrice ?? 0 }
  })
}

/** The rows with the smallest hashes, in the order they came. */
class Sample {
  readonly #most: number
  #kept: { readonly row: Row; readonly key: number; readonly at: number }[] = []
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  add(row: Row): void {
    this.#kept.push({ row, key: sampleKey(row.id + row.text), at: this.#count++ })
    if (this.#kept.length >= 2 * this.#most) this.#cut()
  }

  rows(): Row[] {
    if (this.#kept.length > this.#most) this.#cut()
    return this.#kept.sort((a, b) => a.at - b.at).map(({ row }) => row)
  }

  #cut(): void {
    this.#kept = this.#kept.sort((a, b) => a.key - b.key || a.at - b.at).slice(0, this.#most)
  }
}

const sampleKey = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE(0)
