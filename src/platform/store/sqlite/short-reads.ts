import type { Tables } from '../tables.ts'

/** What people manage, and what is kept up to a set number: read by key or by the page. */
const bounded: readonly (keyof Tables)[] = [
  'keys',
  'deprecated_keys',
  'teams',
  'team_members',
  'users',
  'organizations',
  'organization_members',
  'projects',
  'end_users',
  'budgets',
  'tags',
  'access_groups',
  'credentials',
  'models',
  'invitations',
  'sessions',
  'jwt_key_mappings',
  'policies',
  'settings',
  'router_captures',
  'router_states',
  'router_experiments',
  'router_monitors',
]
const names: ReadonlySet<string> = new Set(bounded)

/** Whether a select is over soon: it reads nothing that grows with every call. */
export function isShortRead(sql: string): boolean {
  let found = false
  for (const [, table = '', comma] of sql.matchAll(/\b(?:from|join)\s+"?(\w*)"?(?:\s+as\s+"\w+")?(\s*,)?/gi)) {
    if (!names.has(table) || comma !== undefined) return false
    found = true
  }
  return found
}
