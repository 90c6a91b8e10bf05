import type { IncomingHttpHeaders } from 'node:http'
import type { Principal } from '../../governance/authentication/principal.ts'
import { maxSpendName, spendName } from '../../governance/ledger/spend-name.ts'
import { isRecord } from '../../governance/objects/settings.ts'

/** For whom and under which words a call is booked, beyond the caller itself. */
export interface Attribution {
  readonly endUser: string | undefined
  readonly sessionId: string | undefined
  readonly agentId: string | undefined
  /** Of the key, its team and the request; each once. */
  readonly tags: readonly string[]
  /** `spend_logs_metadata` of the request, for the books. */
  readonly metadata: Readonly<Record<string, unknown>> | undefined
}

export interface AttributionSettings {
  /** `general_settings.user_header_mappings` and `user_header_name`: lower-case headers that name the end user. */
  readonly endUserHeaders: readonly string[]
}

const maxTags = 20
const maxMetadataLength = 4096
const none: readonly string[] = []

/**
 * Reads LiteLLM's places: `user`, `safety_identifier`, Anthropic's `metadata.user_id`; `tags`, `metadata.tags`,
 * `x-litellm-tags`; `x-litellm-session-id`, `litellm_session_id`, `metadata.session_id`; `spend_logs_metadata`.
 * What callers write is bounded, and is a name only: it grants nothing.
 */
export function attributionOf(
  body: Readonly<Record<string, unknown>>,
  headers: IncomingHttpHeaders,
  principal: Principal,
  settings: AttributionSettings,
): Attribution {
  const metadata = recordOr(body['litellm_metadata']) ?? recordOr(body['metadata'])
  return {
    endUser:
      firstHeader(headers, settings.endUserHeaders) ??
      name(body['user']) ??
      name(body['safety_identifier']) ??
      name(metadata?.['user_id']) ??
      name(principal.endUserId),
    sessionId:
      header(headers, 'x-litellm-session-id') ?? name(body['litellm_session_id']) ?? name(metadata?.['session_id']),
    agentId: header(headers, 'x-litellm-agent-id') ?? name(principal.agentId),
    tags: allTags(body, headers, metadata, principal),
    metadata: spendMetadata(headers, metadata, principal),
  }
}

function allTags(
  body: Readonly<Record<string, unknown>>,
  headers: IncomingHttpHeaders,
  metadata: Readonly<Record<string, unknown>> | undefined,
  principal: Principal,
): readonly string[] {
  const own = body['tags']
  const inMetadata = metadata?.['tags']
  const line = headers['x-litellm-tags']
  const ofCaller = booked(principal.tags)
  if (own === undefined && inMetadata === undefined && line === undefined) return ofCaller
  const tags = new Set(ofCaller)
  const add = (value: unknown): void => {
    const tag = name(value)
    if (tag !== undefined && tags.size < maxTags) tags.add(tag)
  }
  if (Array.isArray(own)) own.forEach(add)
  if (Array.isArray(inMetadata)) inMetadata.forEach(add)
  if (typeof line === 'string') {
    for (const tag of line.split(',')) add(tag.trim())
  }
  return tags.size === 0 ? none : [...tags]
}

/** A key's own metadata for the books lies under that of the request. */
function spendMetadata(
  headers: IncomingHttpHeaders,
  metadata: Readonly<Record<string, unknown>> | undefined,
  principal: Principal,
): Readonly<Record<string, unknown>> | undefined {
  const ofKey = recordOr(principal.metadata['spend_logs_metadata'])
  const ofRequest = recordOr(metadata?.['spend_logs_metadata']) ?? parsed(headers['x-litellm-spend-logs-metadata'])
  if (ofKey === undefined && ofRequest === undefined) return undefined
  const both = { ...ofKey, ...ofRequest }
  return JSON.stringify(both).length <= maxMetadataLength ? both : { routeiq_note: 'left out: larger than 4 KB' }
}

const recordOr = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  isRecord(value) ? value : undefined

/** Tags of keys and teams are as their administrators wrote them; nearly always they are fit for the books. */
const booked = (tags: readonly string[]): readonly string[] =>
  tags.some(tag => tag.length > maxSpendName || !tag.isWellFormed()) ? [...new Set(tags.map(spendName))] : tags

/** Names are shown in reports and are keys of counters: as the books have them, and without control characters. */
function name(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  const text = value.length > maxSpendName || !value.isWellFormed() ? spendName(value) : value
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\x00-\x1f\x7f]/.test(text) ? undefined : text
}

const header = (headers: IncomingHttpHeaders, key: string): string | undefined => name(headers[key])

function firstHeader(headers: IncomingHttpHeaders, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const value = header(headers, key)
    if (value !== undefined) return value
  }
  return undefined
}

function parsed(line: string | string[] | undefined): Readonly<Record<string, unknown>> | undefined {
  if (typeof line !== 'string' || line.length > maxMetadataLength) return undefined
  try {
    return recordOr(JSON.parse(line))
  } catch {
    return undefined
  }
}
