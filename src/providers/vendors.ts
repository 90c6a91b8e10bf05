import { readFileSync } from 'node:fs'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { Vendor } from './wire.ts'

/** A row of `data/providers.json`; absent lists and names mean empty and unknown. */
interface VendorRow extends Omit<Vendor, 'baseUrl' | 'baseUrlEnv' | 'apiKeyEnv'> {
  readonly baseUrl?: string
  readonly baseUrlEnv?: readonly string[]
  readonly apiKeyEnv?: readonly string[]
}

interface ProvidersFile {
  readonly vendors: readonly VendorRow[]
  /** Provider ids of LiteLLM that this version does not speak. */
  readonly later: readonly string[]
}

/** The same relative place from `src/providers` and `dist/providers`. `vendors.test.ts` checks the file's shape. */
const file = JSON.parse(readFileSync(new URL('../../data/providers.json', import.meta.url), 'utf8')) as ProvidersFile

const table: ReadonlyMap<string, Vendor> = new Map(
  file.vendors.map(row => [
    row.id,
    Object.freeze({
      id: row.id,
      name: row.name,
      wire: row.wire,
      baseUrl: row.baseUrl,
      baseUrlEnv: row.baseUrlEnv ?? [],
      apiKeyEnv: row.apiKeyEnv ?? [],
      auth: row.auth,
      operations: row.operations,
      ...(row.quirks === undefined ? {} : { quirks: row.quirks }),
    }),
  ]),
)
const later: ReadonlySet<string> = new Set(file.later)

export function vendor(id: string): Vendor | undefined {
  return table.get(id)
}

export function vendors(): Vendor[] {
  return [...table.values()]
}

/** Model names that are understood without a vendor prefix, as LiteLLM does. */
const bareNames: readonly [pattern: RegExp, vendor: string][] = [
  [/^(ft:)?(gpt-|chatgpt-|o[1-9](-|$)|text-embedding-|davinci-002|babbage-002|codex-|computer-use-preview)/, 'openai'],
  [/^claude-/, 'anthropic'],
  [/^gemini-/, 'gemini'],
]

export interface VendorModel {
  readonly vendor: Vendor
  /** The vendor's own model name; may hold further slashes. */
  readonly model: string
}

/**
 * Splits a deployment's `model` into vendor and model name: `azure/x`, `gemini/x`, `openai/org/x`, bare `gpt-4o`.
 * `custom_llm_provider` names the vendor outright; the same prefix on the model is then removed.
 * @throws GatewayError `config_invalid` that names the nearest vendor id.
 */
export function vendorOfModel(model: string, customLlmProvider?: string): VendorModel {
  const slash = model.indexOf('/')
  const prefix = slash > 0 ? model.slice(0, slash) : undefined
  const rest = model.slice(slash + 1)
  if (customLlmProvider !== undefined) {
    const named = table.get(customLlmProvider)
    if (named === undefined) throw unknownVendor(customLlmProvider, model)
    return { vendor: named, model: prefix === customLlmProvider ? nonEmpty(rest, model) : nonEmpty(model, model) }
  }
  if (prefix !== undefined) {
    const named = table.get(prefix)
    if (named !== undefined) return { vendor: named, model: nonEmpty(rest, model) }
  }
  for (const [pattern, id] of bareNames) {
    const bare = prefix === undefined || model.startsWith('ft:') ? table.get(id) : undefined
    if (bare !== undefined && pattern.test(model)) return { vendor: bare, model }
  }
  if (prefix !== undefined) throw unknownVendor(prefix, model)
  throw new GatewayError(
    'config_invalid',
    `model "${model}" does not say which vendor serves it: write "<vendor>/${model}" or set custom_llm_provider`,
    { param: 'model' },
  )
}

/** The vendor of a model when it is one of LiteLLM's that this version does not speak. */
export function laterVendorOf(model: string, customLlmProvider?: string): string | undefined {
  const slash = model.indexOf('/')
  const id = customLlmProvider ?? (slash > 0 ? model.slice(0, slash) : undefined)
  return id !== undefined && later.has(id) ? id : undefined
}

function nonEmpty(name: string, model: string): string {
  if (name !== '') return name
  throw new GatewayError('config_invalid', `model "${model}" names no model behind its vendor`, { param: 'model' })
}

function unknownVendor(id: string, model: string): GatewayError {
  if (later.has(id)) {
    const text = `vendor "${id}" of model "${model}" is not spoken by this version; see docs/providers.md for those that are`
    return new GatewayError('config_invalid', text, { param: 'model' })
  }
  return new GatewayError(
    'config_invalid',
    `unknown vendor "${id}" in model "${model}"; the nearest is "${nearestVendor(id)}". ` +
      `For a server that speaks the OpenAI protocol write "openai/${model}" and set api_base`,
    { param: 'model' },
  )
}

function nearestVendor(id: string): string {
  let best = ''
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of table.keys()) {
    const distance = editDistance(id.toLowerCase(), candidate)
    if (distance < bestDistance) {
      bestDistance = distance
      best = candidate
    }
  }
  return best
}

/** Levenshtein distance; ids are short, and this runs only for an error text. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < Math.min(a.length, 64); i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const substitution = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(substitution, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
