import type { SpendRecord } from '../spend-record.ts'

/** What a batch adds to the `spend` of one row, call by call: the row's own period decides which of them count. */
export interface SpendSum {
  /** Values of the key columns. */
  readonly key: readonly string[]
  readonly calls: { readonly startedAt: number; readonly cost: number }[]
  /** Epoch ms at which the latest of its calls ended. */
  lastActive: number
}

export type SpendTable =
  | 'keys'
  | 'teams'
  | 'team_members'
  | 'users'
  | 'organizations'
  | 'organization_members'
  | 'projects'
  | 'end_users'
  | 'tags'

/** In the order in which every writer takes their locks: that of `Tables`. */
export const spendTables: readonly { readonly table: SpendTable; readonly key: readonly string[] }[] = [
  { table: 'keys', key: ['token'] },
  { table: 'teams', key: ['team_id'] },
  { table: 'team_members', key: ['team_id', 'user_id'] },
  { table: 'users', key: ['user_id'] },
  { table: 'organizations', key: ['organization_id'] },
  { table: 'organization_members', key: ['organization_id', 'user_id'] },
  { table: 'projects', key: ['project_id'] },
  { table: 'end_users', key: ['user_id'] },
  { table: 'tags', key: ['name'] },
]

/** The additions of a batch by table, each table's in the order of its keys. Calls that cost nothing count for keys alone. */
export function spendSums(records: readonly SpendRecord[]): Map<SpendTable, SpendSum[]> {
  const tables = new Map<SpendTable, Map<string, SpendSum>>()
  const add = (table: SpendTable, record: SpendRecord, ...key: (string | undefined)[]): void => {
    if (record.cost === 0 && table !== 'keys') return
    if (key.some(part => part === undefined)) return
    const sums = tables.get(table) ?? new Map<string, SpendSum>()
    tables.set(table, sums)
    const name = key.join('\0')
    const sum = sums.get(name) ?? { key: key as string[], calls: [], lastActive: 0 }
    sums.set(name, sum)
    if (record.cost !== 0) sum.calls.push({ startedAt: record.startedAt, cost: record.cost })
    sum.lastActive = Math.max(sum.lastActive, record.endedAt)
  }
  for (const record of records) {
    const { caller } = record
    add('organizations', record, caller.organizationId)
    add('organization_members', record, caller.organizationId, caller.userId)
    add('teams', record, caller.teamId)
    add('team_members', record, caller.teamId, caller.userId)
    add('projects', record, caller.projectId)
    add('users', record, caller.userId)
    add('keys', record, caller.token)
    add('end_users', record, caller.endUser)
    for (const tag of new Set(record.tags)) add('tags', record, tag)
  }
  const sorted = new Map<SpendTable, SpendSum[]>()
  for (const [table, sums] of tables) {
    sorted.set(
      table,
      [...sums.keys()].sort().map(name => sums.get(name) as SpendSum),
    )
  }
  return sorted
}

/** What counts for a row whose spend sums calls from `since` on. */
export function countingSince(sum: SpendSum, since: number): number {
  let total = 0
  for (const call of sum.calls) if (call.startedAt >= since) total += call.cost
  return total
}
