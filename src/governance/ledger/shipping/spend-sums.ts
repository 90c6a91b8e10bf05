import { costSince, type Profile } from './profiles.ts'

/** What a batch adds to the `spend` of one row: the row's own period decides which of the calls count. */
export interface SpendSum {
  /** Values of the key columns. */
  readonly key: readonly string[]
  readonly profiles: Profile[]
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
export function spendSums(profiles: Iterable<Profile>): Map<SpendTable, SpendSum[]> {
  const tables = new Map<SpendTable, Map<string, SpendSum>>()
  const add = (table: SpendTable, profile: Profile, ...key: (string | undefined)[]): void => {
    if (profile.costs.length === 0 && table !== 'keys') return
    if (key.some(part => part === undefined)) return
    const sums = tables.get(table) ?? new Map<string, SpendSum>()
    tables.set(table, sums)
    const name = key.join('\0')
    const sum = sums.get(name) ?? { key: key as string[], profiles: [], lastActive: 0 }
    sums.set(name, sum)
    sum.profiles.push(profile)
    sum.lastActive = Math.max(sum.lastActive, profile.lastActive)
  }
  for (const profile of profiles) {
    const { caller, tags } = profile.sample
    add('organizations', profile, caller.organizationId)
    add('organization_members', profile, caller.organizationId, caller.userId)
    add('teams', profile, caller.teamId)
    add('team_members', profile, caller.teamId, caller.userId)
    add('projects', profile, caller.projectId)
    add('users', profile, caller.userId)
    add('keys', profile, caller.token)
    add('end_users', profile, caller.endUser)
    for (const tag of new Set(tags)) add('tags', profile, tag)
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
  return sum.profiles.reduce((total, profile) => total + costSince(profile, since), 0)
}
