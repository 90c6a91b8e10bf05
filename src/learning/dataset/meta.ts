import { existsSync, readFileSync } from 'node:fs'
import type { ModelFacts } from '../dataset.ts'
import { isObject, type JsonObject } from './fields.ts'
import { DatasetError } from './problems.ts'

/** What stands beside a data file: the order of models in its arrays, and prices where they are known. */
export interface Meta {
  readonly name: string | undefined
  readonly models: readonly string[]
  /** US dollars per token. */
  readonly prices: ReadonlyMap<string, Prices>
  /** Of a dataset this gateway wrote: sha256 of the unzipped lines. */
  readonly hash: string | undefined
}

export type Prices = Pick<ModelFacts, 'inputPrice' | 'outputPrice'>

/** `data.jsonl.gz` → `data`. */
export const baseName = (path: string): string => path.replace(/(\.(jsonl|ndjson|json|csv))?(\.gz)?$/i, '')

/** The meta file of a data file, where there is one. A part of a set (`name.holdout.jsonl`) may use the set's. */
export function findMeta(path: string): string | undefined {
  const base = baseName(path)
  const whole = base.replace(/[.-](train|test|holdout|heldout|held-out|sealed|eval)$/i, '')
  return [`${base}.meta.json`, `${whole}.meta.json`].find(candidate => existsSync(candidate))
}

/** @throws DatasetError with file and field */
export function readMeta(path: string): Meta {
  const value = readJson(path)
  const models = value['models']
  if (
    !Array.isArray(models) ||
    models.length === 0 ||
    !models.every(model => typeof model === 'string' && model !== '')
  )
    throw new DatasetError(`${path} models: must be a list of the models' names, in the order of the data's arrays`)
  if (new Set(models).size !== models.length) throw new DatasetError(`${path} models: a name stands there twice`)
  return {
    name: typeof value['name'] === 'string' ? value['name'] : undefined,
    models,
    prices: pricesOf(value['usd_per_mtok_in_out'], path, 'usd_per_mtok_in_out'),
    hash: typeof value['sha256'] === 'string' ? value['sha256'] : undefined,
  }
}

/** A file of prices: `{"gpt-x": [input, output]}` in US dollars per million tokens. */
export const readPrices = (path: string): ReadonlyMap<string, Prices> => pricesOf(readJson(path), path, undefined)

function pricesOf(value: unknown, path: string, field: string | undefined): ReadonlyMap<string, Prices> {
  const prices = new Map<string, Prices>()
  if (value === undefined && field !== undefined) return prices
  if (!isObject(value)) throw new DatasetError(`${path} ${field ?? ''}: must be {"model": [input, output]}`)
  for (const [model, pair] of Object.entries(value)) {
    const [input, output] = Array.isArray(pair) ? pair : []
    if (!isPrice(input) || !isPrice(output))
      throw new DatasetError(
        `${path} ${field === undefined ? '' : `${field}.`}${model}: must be [input, output] in US dollars per million tokens`,
      )
    prices.set(model, { inputPrice: input / 1e6, outputPrice: output / 1e6 })
  }
  return prices
}

const isPrice = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0

function readJson(path: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new DatasetError(`${path}: ${error instanceof Error ? error.message : 'cannot be read'}`)
  }
  if (!isObject(value)) throw new DatasetError(`${path}: must be a JSON object`)
  return value
}
