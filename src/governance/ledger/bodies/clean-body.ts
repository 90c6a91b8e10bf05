import { redacted, scrubText } from '../../../platform/telemetry/scrub.ts'

export interface CleanOptions {
  /** Characters kept of one text; LiteLLM's MAX_STRING_LENGTH_PROMPT_IN_DB. */
  readonly maxText: number
  /** Characters of JSON kept of one body. */
  readonly maxBody: number
}

/** Fields whose value is a credential, whatever it looks like. */
const secretNames =
  /^(authorization|proxy-authorization|cookie|set-cookie|password|passwd|secret|client_secret|private_key|(x-)?(goog-)?api[-_]?key|access_token|refresh_token|id_token|credentials?)$/i
const dataUrl = /^data:[\w.+-]+\/[\w.+-]+(?:;[\w.+=-]+)*;base64,/
/** Long, without a space, of base64's letters alone: a picture, a sound, a file. */
const base64 = /^[A-Za-z0-9+/_-]{256,}={0,2}$/
/** Deeper than any schema; deeper than that is an attack on whoever walks it. */
const maxDepth = 100
const kept = 32

/**
 * A request or response body as it may be stored: without credentials, without binary content, its texts and its whole
 * cut to size. What is cut says so, in LiteLLM's words.
 * @returns JSON text
 */
export function cleanBody(body: unknown, options: CleanOptions): string {
  const json = JSON.stringify(cleanValue(body, options, 0)) ?? 'null'
  if (json.length <= options.maxBody) return json
  return JSON.stringify({ litellm_truncated: true, characters: json.length, start: json.slice(0, options.maxText) })
}

function cleanValue(value: unknown, options: CleanOptions, depth: number): unknown {
  if (typeof value === 'string') return cleanText(value, options.maxText)
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value
  if (depth >= maxDepth) return '[nested too deep]'
  if (Array.isArray(value)) return value.map(item => cleanValue(item, options, depth + 1))
  const clean: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value)) {
    // `__proto__` as a field is data here, not a prototype.
    Object.defineProperty(clean, name, {
      value: secretNames.test(name) && typeof item === 'string' ? redacted : cleanValue(item, options, depth + 1),
      enumerable: true,
    })
  }
  return clean
}

function cleanText(text: string, maxText: number): string {
  const prefix = dataUrl.exec(text)?.[0]
  if (prefix !== undefined) return `${text.slice(0, prefix.length + kept)}… (${text.length} characters of base64)`
  if (base64.test(text)) return `${text.slice(0, kept)}… (${text.length} characters of base64)`
  // Credentials first: cut in half, one is no longer known by its look.
  return cutText(scrubText(text), maxText)
}

/** 35 % of what is kept from the start, the rest from the end, where a conversation's newest part is. */
function cutText(scrubbed: string, maxText: number): string {
  if (scrubbed.length <= maxText) return scrubbed
  const start = Math.floor(maxText * 0.35)
  const end = maxText - start
  const skipped = scrubbed.length - maxText
  return `${scrubbed.slice(0, start)}... (litellm_truncated skipped ${skipped} chars) ...${scrubbed.slice(-end)}`
}
