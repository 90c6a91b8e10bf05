import type { Kysely } from 'kysely'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { inTransaction } from '../../platform/store/transaction.ts'
import type { AuditEvent } from '../audit/audit-log.ts'
import type { Cipher } from '../encryption/cipher.ts'
import { credentialPlace, modelPlace } from '../management/models/credentials.ts'
import { type ImportContext, type ImportedRow, importedTables, type SourceRow } from './litellm-rows.ts'

/** Reads a table of LiteLLM's database in pages; undefined when it has no such table. */
export type ReadTable = (
  table: string,
  key: readonly string[],
  offset: number,
  limit: number,
) => Promise<readonly SourceRow[] | undefined>

export interface ImportOptions {
  readonly store: Store
  readonly read: ReadTable
  readonly cipher: Cipher
  readonly decrypt: (value: unknown) => unknown
  /** Epoch ms. */
  readonly now: number
  /** What is here already is replaced instead of kept. */
  readonly overwrite: boolean
  /** Nothing is written. */
  readonly dryRun: boolean
  readonly recordIn: (trx: Kysely<Tables>, event: AuditEvent) => Promise<void>
}

export interface ImportedCount {
  readonly table: string
  readonly read: number
  readonly written: number
  /** Was here already and stayed. */
  readonly kept: number
  readonly skipped: number
}

export interface ImportReport {
  readonly tables: readonly ImportedCount[]
  readonly problems: readonly string[]
}

const pageSize = 500
const mostProblems = 100

/** Primary keys of the tables here. */
const keys: Readonly<Partial<Record<keyof Tables, readonly string[]>>> = {
  budgets: ['budget_id'],
  organizations: ['organization_id'],
  users: ['user_id'],
  organization_members: ['organization_id', 'user_id'],
  teams: ['team_id'],
  team_members: ['team_id', 'user_id'],
  projects: ['project_id'],
  keys: ['token'],
  deprecated_keys: ['token'],
  end_users: ['user_id'],
  tags: ['name'],
  access_groups: ['access_group_id'],
  credentials: ['credential_name'],
  models: ['model_id'],
}

/**
 * Copies keys, teams, users, organizations, budgets, customers, tags, access groups, credentials and models out of a
 * LiteLLM database. Keys keep their hashes, so they go on working. May be repeated: what is here stays, unless told
 * otherwise. One transaction per page.
 */
export async function importLitellm(options: ImportOptions): Promise<ImportReport> {
  const problems: string[] = []
  const context: ImportContext = {
    now: options.now,
    permissions: await permissions(options.read),
    sealModel: (id, params) => options.cipher.encrypt(JSON.stringify(options.decrypt(params) ?? {}), modelPlace(id)),
    sealCredential: (name, values) =>
      options.cipher.encrypt(JSON.stringify(options.decrypt(values) ?? {}), credentialPlace(name)),
  }
  const tables: ImportedCount[] = []
  for (const table of importedTables) {
    const count = { table: table.source, read: 0, written: 0, kept: 0, skipped: 0 }
    for (let offset = 0; ; offset += pageSize) {
      const page = await options.read(table.source, table.key, offset, pageSize)
      if (page === undefined || page.length === 0) break
      count.read += page.length
      const rows: ImportedRow[] = []
      for (const source of page) {
        try {
          const converted = table.convert(source, context)
          if (converted.length === 0) count.skipped++
          rows.push(...converted)
        } catch (error) {
          count.skipped++
          if (problems.length < mostProblems)
            problems.push(`${table.source}: ${error instanceof Error ? error.message : 'unreadable row'}`)
        }
      }
      if (options.dryRun) count.written += rows.length
      else {
        const written = await writePage(options, rows)
        count.written += written
        count.kept += rows.length - written
      }
      if (page.length < pageSize) break
    }
    tables.push(count)
  }
  if (!options.dryRun) await recordImport(options, tables)
  return { tables, problems }
}

async function writePage(options: ImportOptions, rows: readonly ImportedRow[]): Promise<number> {
  return inTransaction(options.store, async trx => {
    let written = 0
    for (const { table, row } of rows) written += await write(trx, table, row, options.overwrite)
    return written
  })
}

// Kysely's types follow one table at a time; here the table is one of many.
type AnyTable = Kysely<Record<string, Record<string, unknown>>>

async function write(
  trx: Kysely<Tables>,
  table: keyof Tables,
  row: Readonly<Record<string, unknown>>,
  overwrite: boolean,
): Promise<number> {
  const db = trx as unknown as AnyTable
  const columns = [...(keys[table] ?? [])]
  // A membership that only brings a budget is laid over the one the team's list made.
  const partial = table === 'team_members' && row['role'] === undefined
  const values = partial
    ? { role: 'user', budget_reset_at: null, settings: '{}', created_at: Number(row['spend_since']), ...row }
    : row
  const changes = Object.fromEntries(Object.entries(row).filter(([name]) => !columns.includes(name)))
  const result = await db
    .insertInto(table)
    .values(values)
    .onConflict(conflict =>
      overwrite || partial ? conflict.columns(columns).doUpdateSet(changes) : conflict.columns(columns).doNothing(),
    )
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0 ? 1 : 0
}

async function permissions(read: ReadTable): Promise<ReadonlyMap<string, SourceRow>> {
  const found = new Map<string, SourceRow>()
  for (let offset = 0; ; offset += pageSize) {
    const page = (await read('LiteLLM_ObjectPermissionTable', ['object_permission_id'], offset, pageSize)) ?? []
    for (const row of page) found.set(String(row['object_permission_id']), row)
    if (page.length < pageSize) return found
  }
}

function recordImport(options: ImportOptions, tables: readonly ImportedCount[]): Promise<void> {
  const details = Object.fromEntries(tables.map(({ table, written }) => [table, written]))
  return inTransaction(options.store, trx =>
    options.recordIn(trx, {
      actor: { name: 'system:import', token: undefined, address: undefined },
      action: 'imported',
      objectKind: 'database',
      objectId: 'litellm',
      details,
    }),
  )
}
