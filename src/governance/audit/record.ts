import { createHash } from 'node:crypto'
import type { AuditRow } from '../../platform/store/tables.ts'

/** One record as it is stored, exported and shipped. `before`, `after` and `details` are JSON text. */
export type AuditRecord = Readonly<AuditRow>

/** What a record says, before it has its place in the chain. */
export type AuditContent = Omit<AuditRecord, 'seq' | 'previous_hash' | 'hash'>

/**
 * Version 1 of the encoding. The bytes that are hashed are the UTF-8 of
 *
 *     ["routeiq-audit/1",seq,id,at,actor,actor_token,address,action,object_kind,object_id,outcome,before,after,details,previous_hash]
 *
 * as `JSON.stringify` writes it: no spaces, numbers as integers, absent values `null`, texts escaped as in RFC 8785
 * §3.2.2.2. JSON columns go in as the text they are, not as objects, so that nobody has to agree on the order of keys or
 * the form of numbers. The hash is `v1:` and the SHA-256 in lower-case hex; the version is part of what the next record
 * covers. docs/audit.md has the same in ten lines of Python.
 */
export const encodingVersion = 1

const label = `routeiq-audit/${encodingVersion}`
const prefix = `v${encodingVersion}:`

/** Stands before the first record. */
export const genesisHash = `${prefix}${'0'.repeat(64)}`

export function canonicalText(record: Omit<AuditRecord, 'hash'>): string {
  return JSON.stringify([
    label,
    record.seq,
    record.id,
    record.at,
    record.actor,
    record.actor_token,
    record.address,
    record.action,
    record.object_kind,
    record.object_id,
    record.outcome,
    record.before,
    record.after,
    record.details,
    record.previous_hash,
  ])
}

export function hashOf(record: Omit<AuditRecord, 'hash'>): string {
  return prefix + createHash('sha256').update(canonicalText(record)).digest('hex')
}

/** Gives a record its place after `head`. */
export function chained(content: AuditContent, head: { readonly seq: number; readonly hash: string }): AuditRecord {
  const record = { ...content, seq: head.seq + 1, previous_hash: head.hash }
  return { ...record, hash: hashOf(record) }
}

/** Where the chain starts. */
export const genesis = { seq: 0, hash: genesisHash } as const

/** One line of NDJSON, without its line end. The order of the fields is fixed. */
export function recordLine(record: AuditRecord): string {
  return JSON.stringify({
    seq: record.seq,
    id: record.id,
    at: record.at,
    actor: record.actor,
    actor_token: record.actor_token,
    address: record.address,
    action: record.action,
    object_kind: record.object_kind,
    object_id: record.object_id,
    outcome: record.outcome,
    before: record.before,
    after: record.after,
    details: record.details,
    previous_hash: record.previous_hash,
    hash: record.hash,
  })
}

const integers = ['seq', 'at'] as const
const texts = ['id', 'actor', 'action', 'object_kind', 'object_id', 'outcome', 'previous_hash', 'hash'] as const
const optionalTexts = ['actor_token', 'address', 'before', 'after', 'details'] as const

/** Reads a line back; undefined for one that is no record. */
export function parseLine(line: string): AuditRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const fields = value as Record<string, unknown>
  const sound =
    integers.every(name => Number.isSafeInteger(fields[name])) &&
    texts.every(name => typeof fields[name] === 'string') &&
    optionalTexts.every(name => fields[name] === null || typeof fields[name] === 'string')
  return sound ? (fields as unknown as AuditRecord) : undefined
}
