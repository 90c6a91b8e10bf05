/**
 * Imports the facts of LiteLLM's public price map (MIT) into `data/model-prices.json`.
 *
 *   pip download --no-deps litellm -d /tmp/prices
 *   unzip -q /tmp/prices/litellm-*.whl 'litellm/model_prices*' '*.dist-info/*' -d /tmp/prices/unpacked
 *   node scripts/import-model-prices.ts /tmp/prices/unpacked/litellm/model_prices_and_context_window_backup.json
 *
 * Only the JSON file is read; the package is neither installed nor run. The version is taken from the unpacked
 * `*.dist-info/METADATA` (or an sdist's `PKG-INFO`), or from `--version X`. What was imported, from where and with which
 * hash goes to `data/model-prices.meta.json`; the licence notice goes to `data/model-prices.LICENSE`.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

type Json = Record<string, unknown>

/** Releases whose packages were tampered with on PyPI: nothing of theirs is trusted, data files included. */
const compromised = new Set(['1.82.7', '1.82.8'])
/** Not models: the template entry, and routing rules that share the file. */
const notModels = new Set(['sample_spec', 'fallback_generalizations'])
/** Prose and links: two thirds of a megabyte that no lookup reads. */
const droppedFields = new Set(['source', 'comment', 'metadata'])
/** A source this much smaller than what we have is a broken download, not news. */
const smallestShare = 0.5
const fewestModels = 50

const dataFolder = join(import.meta.dirname, '..', 'data')

function main(): void {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { version: { type: 'string' } } })
  const path = positionals[0]
  if (path === undefined || positionals.length !== 1) {
    throw new Error('usage: node scripts/import-model-prices.ts <model_prices…json> [--version X.Y.Z]')
  }
  const bytes = readFileSync(path)
  const version = values.version ?? packageVersion(path)
  if (version === undefined) throw new Error('no *.dist-info/METADATA or PKG-INFO near the file: pass --version')
  if (compromised.has(version)) throw new Error(`litellm ${version} is a compromised release: use another version`)

  const models = readModels(bytes.toString('utf8'))
  const target = join(dataFolder, 'model-prices.json')
  const metaTarget = join(dataFolder, 'model-prices.meta.json')
  checkSize(models.length, metaTarget)

  writeFileSync(target, `{\n${models.map(([key, entry]) => `${JSON.stringify(key)}:${entry}`).join(',\n')}\n}\n`)
  const meta = {
    package: 'litellm',
    registry: 'https://pypi.org/project/litellm/',
    version,
    file: 'litellm/model_prices_and_context_window_backup.json',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    licence: 'MIT',
    copyright: 'Copyright (c) 2023 Berri AI',
    imported: new Date().toISOString().slice(0, 10),
    models: models.length,
  }
  writeFileSync(metaTarget, `${JSON.stringify(meta, null, 2)}\n`)
  const licence = licenceNotice(path)
  if (licence !== undefined) writeFileSync(join(dataFolder, 'model-prices.LICENSE'), licence)
  console.log(`${models.length} models of litellm ${version} (sha256 ${meta.sha256}) written to ${target}`)
}

/** Sorted by code unit, because the reader finds a line by comparing keys the same way. */
function readModels(text: string): [key: string, entry: string][] {
  const source: unknown = JSON.parse(text)
  if (!isObject(source)) throw new Error('the price map is not a JSON object')
  const models: [string, string][] = []
  for (const [key, entry] of Object.entries(source)) {
    if (notModels.has(key)) continue
    if (!isObject(entry)) throw new Error(`${key}: not an object`)
    checkPrices(key, entry)
    models.push([key, JSON.stringify(trimmed(entry))])
  }
  return models.sort(([a], [b]) => (a < b ? -1 : 1))
}

function trimmed(entry: Json): Json {
  const names = Object.keys(entry).filter(name => !droppedFields.has(name))
  return Object.fromEntries(names.sort().map(name => [name, entry[name]]))
}

/** A price that is negative, not a number, or above 1 US$ per token is a mistake upstream: stop and look at it. */
function checkPrices(key: string, entry: Json): void {
  for (const [name, value] of Object.entries(entry)) {
    if (!/_cost(_|$)/.test(name) || isObject(value)) continue
    const sane = typeof value === 'number' && Number.isFinite(value) && value >= 0
    if (!sane || (name.includes('per_token') && value > 1)) {
      throw new Error(`${key}.${name}: ${JSON.stringify(value)} is not a plausible price`)
    }
  }
}

function checkSize(count: number, metaTarget: string): void {
  const before: unknown = existsSync(metaTarget) ? JSON.parse(readFileSync(metaTarget, 'utf8')) : undefined
  const known = isObject(before) && typeof before['models'] === 'number' ? before['models'] : 0
  if (count < fewestModels || count < known * smallestShare) {
    throw new Error(`only ${count} models where ${Math.max(known, fewestModels)} were expected: not imported`)
  }
}

function packageVersion(path: string): string | undefined {
  const metadata = besidePackage(path, 'METADATA', 'PKG-INFO')
  return metadata === undefined ? undefined : /^Version: (\S+)$/m.exec(metadata)?.[1]
}

function licenceNotice(path: string): string | undefined {
  const notice = besidePackage(path, join('licenses', 'LICENSE'), 'LICENSE')
  return notice === undefined
    ? undefined
    : `model-prices.json holds facts of the price map of LiteLLM (https://github.com/BerriAI/litellm).\nIts licence:\n\n${notice.trimEnd()}\n`
}

/** Reads a file of the wheel's `litellm-*.dist-info` folder, or of an sdist's root. */
function besidePackage(path: string, inWheel: string, inSdist: string): string | undefined {
  const root = dirname(dirname(path))
  const info = readdirSync(root).find(name => /^litellm-.*\.dist-info$/.test(name))
  const candidate = info === undefined ? join(root, inSdist) : join(root, info, inWheel)
  return existsSync(candidate) ? readFileSync(candidate, 'utf8') : undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

main()
