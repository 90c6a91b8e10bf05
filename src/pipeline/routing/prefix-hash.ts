/**
 * A cheap identity for the part of a prompt that a vendor can cache and that later calls repeat: system text, tools and
 * the first user message, which also tells one conversation from another. Two different prefixes with one hash share a
 * deployment and nothing else, so long texts are sampled instead of read.
 */

/** The part of a parsed request that is looked at: OpenAI chat and completions, or Anthropic messages. Not validated. */
export interface PrefixSource {
  readonly system?: unknown
  readonly tools?: unknown
  readonly messages?: unknown
  readonly prompt?: unknown
}

/** Characters of the prefix that count. */
const maxChars = 8192
/** Characters read of one text; longer ones are sampled evenly. */
const sampledChars = 512
/** Vendors cache from 1,024 tokens up (OpenAI, Anthropic's smallest): about 4 KB of text. */
const defaultMinChars = 4096

/**
 * @param minChars text in the whole prompt below which nothing would be cached
 * @returns an unsigned 32-bit hash, or undefined when the prompt is too short to be cached
 */
export function prefixHash(source: PrefixSource, minChars = defaultMinChars): number | undefined {
  if (textLength(source, minChars) < minChars) return undefined
  const hasher = new PrefixHasher()
  hasher.value(source.system)
  const messages = Array.isArray(source.messages) ? source.messages : undefined
  if (messages !== undefined) {
    // Instructions first, wherever they stand: the vendors put them and the tools before the turns.
    for (const message of messages) {
      const role = field(message, 'role')
      if (role !== 'system' && role !== 'developer') break
      hasher.value(field(message, 'content'))
    }
  }
  if (Array.isArray(source.tools)) {
    for (const tool of source.tools) {
      const definition = field(tool, 'function') ?? tool
      hasher.value(field(definition, 'name'))
      hasher.value(field(definition, 'description'))
      if (hasher.full) break
    }
  }
  if (messages !== undefined) hasher.value(field(messages.find(isUser), 'content'))
  hasher.value(source.prompt)
  return hasher.hash >>> 0
}

class PrefixHasher {
  hash = 0x811c9dc5
  #left = maxChars

  get full(): boolean {
    return this.#left <= 0
  }

  /** A text, or a list of parts whose texts count; everything else (images, ids) is passed over. */
  value(value: unknown): void {
    if (typeof value === 'string') this.#text(value)
    else if (Array.isArray(value)) {
      for (const part of value) {
        if (this.full) return
        this.value(typeof part === 'string' ? part : field(part, 'text'))
      }
    }
  }

  #text(text: string): void {
    const length = Math.min(text.length, this.#left)
    if (length <= 0) return
    this.#left -= length
    const step = Math.ceil(length / sampledChars)
    let hash = Math.imul(this.hash ^ length, 0x01000193)
    for (let i = 0; i < length; i += step) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    this.hash = hash
  }
}

/** Characters of text in the prompt, counted no further than `enough`. */
function textLength(source: PrefixSource, enough: number): number {
  let total = lengthOf(source.system, enough) + lengthOf(source.prompt, enough)
  if (Array.isArray(source.messages)) {
    for (const message of source.messages) {
      if (total >= enough) return total
      total += lengthOf(field(message, 'content'), enough - total)
    }
  }
  if (total < enough && Array.isArray(source.tools)) {
    for (const tool of source.tools) {
      if (total >= enough) return total
      const definition = field(tool, 'function') ?? tool
      total += lengthOf(field(definition, 'description'), enough) + schemaLength(definition)
    }
  }
  return total
}

/** A parameter schema is part of the prefix too; ~40 characters per property is near enough. */
function schemaLength(definition: unknown): number {
  const schema = field(definition, 'parameters') ?? field(definition, 'input_schema')
  const properties = field(schema, 'properties')
  return typeof properties === 'object' && properties !== null ? 40 * Object.keys(properties).length : 0
}

function lengthOf(value: unknown, enough: number): number {
  if (typeof value === 'string') return value.length
  if (!Array.isArray(value)) return 0
  let total = 0
  for (const part of value) {
    if (total >= enough) return total
    const text = typeof part === 'string' ? part : (field(part, 'text') ?? field(part, 'content'))
    if (typeof text === 'string') total += text.length
  }
  return total
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

function isUser(message: unknown): boolean {
  return field(message, 'role') === 'user'
}
