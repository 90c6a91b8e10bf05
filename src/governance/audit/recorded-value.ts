import { createHash } from 'node:crypto'
import { isSecretType, isSecretValue, redactedMark, type Sensitivity, scrubbed, sensitivityOf } from './redact.ts'

/** Bounds of one of `before`, `after` and `details`: a record is evidence, not a backup. */
const maxText = 2048
const keptText = 512
const maxEntries = 200
const maxDepth = 10
const maxBytes = 16_384
/** When a value is too large as a whole, its parts above this size are cut, the largest first. */
const smallPart = 256

/** Stands where something was cut: how much, and the SHA-256 of what it was (after secrets were taken out). */
interface Cut {
  readonly $cut: { readonly bytes: number; readonly sha256: string }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const cut = (json: string): Cut => ({ $cut: { bytes: Buffer.byteLength(json), sha256: sha256(json) } })

export interface RecordedOptions {
  /** The same object before the change: a secret that was replaced is marked as such. */
  readonly earlier?: unknown
  /** Fields that are not secrets here whatever their name, when they hold a SHA-256 in hex: a key's `token` is its id. */
  readonly hashes?: ReadonlySet<string>
}

/** An object as a record keeps it: JSON text without secrets, bounded in every direction. Undefined: nothing to keep. */
export function recordedValue(
  value: Readonly<Record<string, unknown>> | undefined,
  options: RecordedOptions = {},
): string | null {
  if (value === undefined) return null
  const clean = new Cleaner(options.hashes).clean(value, options.earlier, 'open', 0)
  const json = JSON.stringify(clean)
  return Buffer.byteLength(json) <= maxBytes ? json : cutParts(clean, json)
}

/** A name or id in a column: well-formed text, without NUL (PostgreSQL has no place for it), cut with a hash. */
export function recordedText(text: string, limit = 512): string {
  const sound = scrubbed(text.toWellFormed().replaceAll('\0', '\uFFFD'))
  if (sound.length <= limit) return sound
  const mark = `…sha256:${sha256(sound)}`
  return `${sound.slice(0, limit - mark.length).toWellFormed()}${mark}`
}

const hashLook = /^[0-9a-f]{64}$/

class Cleaner {
  readonly #hashes: ReadonlySet<string> | undefined

  constructor(hashes: ReadonlySet<string> | undefined) {
    this.#hashes = hashes
  }

  clean(value: unknown, earlier: unknown, sensitivity: Sensitivity, depth: number): unknown {
    if (isSecretType(value) || isSecretValue(value, sensitivity)) return redactedMark(value, earlier)
    switch (typeof value) {
      case 'string':
        return shortened(scrubbed(value.toWellFormed()))
      case 'bigint':
        return value.toString()
      case 'number':
        return Number.isFinite(value) ? value : null
      case 'boolean':
        return value
      case 'object':
        break
      default:
        return undefined
    }
    if (value === null) return null
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
    if (depth >= maxDepth) return { $cut: 'nested too deeply' }
    return Array.isArray(value)
      ? this.#list(value, earlier, sensitivity, depth)
      : this.#map(value as Record<string, unknown>, earlier, sensitivity, depth)
  }

  #list(value: readonly unknown[], earlier: unknown, sensitivity: Sensitivity, depth: number): unknown[] {
    const before = Array.isArray(earlier) ? earlier : []
    const items = value.map((item, index) => this.clean(item, before[index], sensitivity, depth + 1) ?? null)
    return items.length <= maxEntries
      ? items
      : [...items.slice(0, maxEntries), cut(JSON.stringify(items.slice(maxEntries)))]
  }

  #map(value: Readonly<Record<string, unknown>>, earlier: unknown, sensitivity: Sensitivity, depth: number): object {
    const before = typeof earlier === 'object' && earlier !== null ? (earlier as Record<string, unknown>) : {}
    const entries: [string, unknown][] = []
    for (const [name, item] of Object.entries(value)) {
      const own = this.#isHash(name, item) ? 'open' : strictest(sensitivity, sensitivityOf(name))
      const cleaned = this.clean(item, Object.hasOwn(before, name) ? before[name] : undefined, own, depth + 1)
      if (cleaned !== undefined) entries.push([recordedText(name, 200), cleaned])
    }
    if (entries.length <= maxEntries) return Object.fromEntries(entries)
    const rest = Object.fromEntries(entries.slice(maxEntries))
    return Object.fromEntries([...entries.slice(0, maxEntries), ['$rest', cut(JSON.stringify(rest))]])
  }

  #isHash(name: string, value: unknown): boolean {
    return this.#hashes?.has(name) === true && typeof value === 'string' && hashLook.test(value)
  }
}

/** A map of secrets stays one all the way down. */
function strictest(outer: Sensitivity, own: Sensitivity): Sensitivity {
  if (outer === 'map' || outer === 'all') return outer
  return own === 'open' ? outer : own
}

function shortened(text: string): string {
  if (text.length <= maxText) return text
  const kept = text.slice(0, keptText).toWellFormed()
  return `${kept}… [cut: ${text.length - keptText} of ${text.length} characters, sha256 ${sha256(text)}]`
}

/** Replaces the largest parts of an object until the rest fits. */
function cutParts(clean: unknown, whole: string): string {
  if (typeof clean !== 'object' || clean === null) return JSON.stringify(cut(whole))
  const parts = Object.entries(clean).map(([name, part]) => ({ name, json: JSON.stringify(part) }))
  let bytes = Buffer.byteLength(whole)
  for (const part of parts.toSorted((a, b) => b.json.length - a.json.length)) {
    if (bytes <= maxBytes || part.json.length < smallPart) break
    const short = JSON.stringify(cut(part.json))
    bytes += short.length - Buffer.byteLength(part.json)
    part.json = short
  }
  if (bytes > maxBytes) return JSON.stringify(cut(whole))
  return `{${parts.map(({ name, json }) => `${JSON.stringify(name)}:${json}`).join(',')}}`
}
