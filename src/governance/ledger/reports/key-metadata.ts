import type { Kysely } from 'kysely'
import type { Tables } from '../../../platform/store/tables.ts'

export interface KeyMetadata {
  readonly key_alias: string | null
  readonly team_id: string | null
  readonly user_id: string | null
  /** False: it was deleted since, or is none of ours. */
  readonly key_exists: boolean
}

const unknownKey: KeyMetadata = { key_alias: null, team_id: null, user_id: null, key_exists: false }
const chunk = 500

/** What reports say of keys beside their hash. */
export class KeyNames {
  readonly #known = new Map<string, KeyMetadata>()

  static async of(db: Kysely<Tables>, tokens: Iterable<string>): Promise<KeyNames> {
    const names = new KeyNames()
    const wanted = [...new Set(tokens)].filter(token => token !== '')
    for (let at = 0; at < wanted.length; at += chunk) {
      const rows = await db
        .selectFrom('keys')
        .select(['token', 'key_alias', 'team_id', 'user_id'])
        .where('token', 'in', wanted.slice(at, at + chunk))
        .execute()
      for (const { token, ...row } of rows) names.#known.set(token, { ...row, key_exists: true })
    }
    return names
  }

  get(token: string): KeyMetadata {
    return this.#known.get(token) ?? unknownKey
  }

  alias(token: string): string | null {
    return this.get(token).key_alias
  }
}

type Named = 'teams' | 'users' | 'organizations' | 'end_users' | 'projects'

const nameColumns = {
  teams: ['team_id', 'team_alias'],
  users: ['user_id', 'user_email'],
  organizations: ['organization_id', 'organization_alias'],
  end_users: ['user_id', 'alias'],
  projects: ['project_id', 'project_alias'],
} as const

/** Id → what people call it; ids without a name are not in it. */
export async function namesOf(db: Kysely<Tables>, table: Named, ids: Iterable<string>): Promise<Map<string, string>> {
  const [id, name] = nameColumns[table]
  const names = new Map<string, string>()
  const wanted = [...new Set(ids)].filter(value => value !== '')
  for (let at = 0; at < wanted.length; at += chunk) {
    const rows = (await db
      .selectFrom(table)
      .select([id as never, name as never])
      .where(id as never, 'in', wanted.slice(at, at + chunk) as never)
      .execute()) as unknown as Record<string, string | null>[]
    for (const row of rows) {
      const found = row[name]
      if (found !== null && found !== undefined) names.set(row[id] ?? '', found)
    }
  }
  return names
}
