import { parseDollars } from '../../platform/money.ts'
import type { Tables } from '../../platform/store/tables.ts'
import { startingSpend } from '../ledger/spend-reset.ts'
import { isRecord } from '../objects/settings.ts'

/** A row of LiteLLM's database as JSON: times are UTC without a zone, decimals are numbers. */
export type SourceRow = Readonly<Record<string, unknown>>

/** What a row becomes here. */
export interface ImportedRow {
  readonly table: keyof Tables
  readonly row: Readonly<Record<string, unknown>>
}

export interface ImportContext {
  /** Epoch ms of the import; spend up to now is the base of the running window. */
  readonly now: number
  /** `LiteLLM_ObjectPermissionTable` by id. */
  readonly permissions: ReadonlyMap<string, SourceRow>
  /** Decrypts what LiteLLM encrypted and encrypts it for this gateway. */
  readonly sealModel: (id: string, params: unknown) => string
  readonly sealCredential: (name: string, values: unknown) => string
}

/** A table of LiteLLM, the order in which to copy it, and how its rows read here. */
export interface ImportedTable {
  readonly source: string
  readonly key: readonly string[]
  readonly convert: (row: SourceRow, context: ImportContext) => readonly ImportedRow[]
}

/** In an order in which nothing refers to what is not there yet. */
export const importedTables: readonly ImportedTable[] = [
  { source: 'LiteLLM_BudgetTable', key: ['budget_id'], convert: budget },
  { source: 'LiteLLM_OrganizationTable', key: ['organization_id'], convert: organization },
  { source: 'LiteLLM_UserTable', key: ['user_id'], convert: user },
  { source: 'LiteLLM_OrganizationMembership', key: ['user_id', 'organization_id'], convert: organizationMember },
  { source: 'LiteLLM_TeamTable', key: ['team_id'], convert: team },
  { source: 'LiteLLM_TeamMembership', key: ['user_id', 'team_id'], convert: teamMember },
  { source: 'LiteLLM_ProjectTable', key: ['project_id'], convert: project },
  { source: 'LiteLLM_VerificationToken', key: ['token'], convert: key },
  { source: 'LiteLLM_DeprecatedVerificationToken', key: ['id'], convert: deprecatedKey },
  { source: 'LiteLLM_EndUserTable', key: ['user_id'], convert: endUser },
  { source: 'LiteLLM_TagTable', key: ['tag_name'], convert: tag },
  { source: 'LiteLLM_AccessGroupTable', key: ['access_group_id'], convert: accessGroup },
  { source: 'LiteLLM_CredentialsTable', key: ['credential_id'], convert: credential },
  { source: 'LiteLLM_ProxyModelTable', key: ['model_id'], convert: model },
]

function budget(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const columns = { budget_id: text(row, 'budget_id'), budget_reset_at: time(row, 'budget_reset_at') }
  return [managed('budgets', row, columns, context)]
}

function organization(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  return [
    managed(
      'organizations',
      row,
      {
        organization_id: text(row, 'organization_id'),
        organization_alias: textOrNull(row, 'organization_alias'),
        budget_id: textOrNull(row, 'budget_id'),
        budget_reset_at: null,
        ...spend(row, context),
      },
      context,
    ),
  ]
}

function user(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  return [
    managed(
      'users',
      row,
      {
        user_id: text(row, 'user_id'),
        user_email: textOrNull(row, 'user_email'),
        user_alias: textOrNull(row, 'user_alias'),
        sso_user_id: textOrNull(row, 'sso_user_id'),
        user_role: textOrNull(row, 'user_role') ?? 'internal_user',
        // LiteLLM's password hashes are plain SHA-256; people set a new one.
        password_hash: null,
        budget_id: null,
        budget_reset_at: time(row, 'budget_reset_at'),
        blocked: 0,
        ...spend(row, context),
      },
      context,
      ['password', 'teams'],
    ),
  ]
}

function organizationMember(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  return [
    {
      table: 'organization_members',
      row: {
        organization_id: text(row, 'organization_id'),
        user_id: text(row, 'user_id'),
        user_role: textOrNull(row, 'user_role') ?? 'internal_user',
        budget_id: textOrNull(row, 'budget_id'),
        budget_reset_at: null,
        created_at: time(row, 'created_at') ?? context.now,
        ...spend(row, context),
      },
    },
  ]
}

function team(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const id = text(row, 'team_id')
  const own = managed(
    'teams',
    row,
    {
      team_id: id,
      team_alias: textOrNull(row, 'team_alias'),
      organization_id: textOrNull(row, 'organization_id'),
      budget_id: null,
      budget_reset_at: time(row, 'budget_reset_at'),
      blocked: flag(row, 'blocked'),
      ...spend(row, context),
    },
    context,
    ['members_with_roles', 'members', 'admins', 'model_id'],
  )
  const listed = row['members_with_roles']
  const members = Array.isArray(listed) ? listed.filter(isRecord) : []
  return [own, ...members.flatMap(member => memberRow(id, member, context))]
}

/** Who is in the team, from the list the team keeps; budgets come with the membership table behind it. */
function memberRow(teamId: string, member: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const userId = textOrNull(member, 'user_id')
  if (userId === null) return []
  return [
    {
      table: 'team_members',
      row: {
        team_id: teamId,
        user_id: userId,
        role: member['role'] === 'admin' ? 'admin' : 'user',
        budget_id: null,
        budget_reset_at: null,
        settings: '{}',
        created_at: context.now,
        ...startingSpend(0, context.now),
      },
    },
  ]
}

function teamMember(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  return [
    {
      table: 'team_members',
      row: {
        team_id: text(row, 'team_id'),
        user_id: text(row, 'user_id'),
        budget_id: textOrNull(row, 'budget_id'),
        ...spend(row, context),
      },
    },
  ]
}

function project(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  return [
    managed(
      'projects',
      row,
      {
        project_id: text(row, 'project_id'),
        project_alias: textOrNull(row, 'project_alias'),
        team_id: textOrNull(row, 'team_id'),
        budget_id: textOrNull(row, 'budget_id'),
        budget_reset_at: null,
        blocked: flag(row, 'blocked'),
        ...spend(row, context),
      },
      context,
    ),
  ]
}

function key(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const token = text(row, 'token')
  // Keys of the dashboard's sessions mean nothing here; others are SHA-256 in hex.
  if (!/^[0-9a-f]{64}$/.test(token)) return []
  return [
    managed(
      'keys',
      row,
      {
        token,
        key_name: textOrNull(row, 'key_name') ?? `sk-...${token.slice(-4)}`,
        key_alias: textOrNull(row, 'key_alias'),
        user_id: textOrNull(row, 'user_id'),
        team_id: textOrNull(row, 'team_id'),
        organization_id: textOrNull(row, 'organization_id'),
        project_id: textOrNull(row, 'project_id'),
        agent_id: textOrNull(row, 'agent_id'),
        budget_id: textOrNull(row, 'budget_id'),
        budget_reset_at: time(row, 'budget_reset_at'),
        expires_at: time(row, 'expires'),
        blocked: flag(row, 'blocked'),
        rotates_at: row['auto_rotate'] === true ? time(row, 'key_rotation_at') : null,
        last_active_at: time(row, 'last_active'),
        ...spend(row, context),
      },
      context,
      ['expires', 'key_rotation_at', 'last_active', 'soft_budget_cooldown'],
    ),
  ]
}

function deprecatedKey(row: SourceRow, { now }: ImportContext): readonly ImportedRow[] {
  const until = time(row, 'revoke_at')
  if (until === null || until <= now) return []
  return [
    {
      table: 'deprecated_keys',
      row: { token: text(row, 'token'), successor: text(row, 'active_token_id'), valid_until: until },
    },
  ]
}

function endUser(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  return [
    managed(
      'end_users',
      row,
      {
        user_id: text(row, 'user_id'),
        alias: textOrNull(row, 'alias'),
        budget_id: textOrNull(row, 'budget_id'),
        budget_reset_at: null,
        blocked: flag(row, 'blocked'),
        ...spend(row, context),
      },
      context,
    ),
  ]
}

function tag(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const columns = {
    name: text(row, 'tag_name'),
    budget_id: textOrNull(row, 'budget_id'),
    budget_reset_at: null,
    ...spend(row, context),
  }
  return [managed('tags', row, columns, context, ['tag_name'])]
}

function accessGroup(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const columns = {
    access_group_id: text(row, 'access_group_id'),
    access_group_name: text(row, 'access_group_name'),
    budget_id: null,
    spend: 0,
  }
  return [managed('access_groups', row, columns, context)]
}

function credential(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const name = text(row, 'credential_name')
  return [
    {
      table: 'credentials',
      row: {
        credential_name: name,
        values_encrypted: context.sealCredential(name, row['credential_values']),
        settings: JSON.stringify(isRecord(row['credential_info']) ? row['credential_info'] : {}),
        ...stamps(row, context),
      },
    },
  ]
}

function model(row: SourceRow, context: ImportContext): readonly ImportedRow[] {
  const id = text(row, 'model_id')
  const info = isRecord(row['model_info']) ? row['model_info'] : {}
  return [
    {
      table: 'models',
      row: {
        model_id: id,
        model_name: text(row, 'model_name'),
        params_encrypted: context.sealModel(id, row['litellm_params']),
        team_id: textOrNull(info, 'team_id'),
        blocked: row['blocked'] === true ? 1 : 0,
        settings: JSON.stringify({ ...info, id, db_model: true }),
        ...stamps(row, context),
      },
    },
  ]
}

const stampColumns = ['created_at', 'created_by', 'updated_at', 'updated_by'] as const

/** Columns as given; every other field that says something goes to `settings` under its own name. */
function managed(
  table: keyof Tables,
  row: SourceRow,
  columns: Readonly<Record<string, unknown>>,
  context: ImportContext,
  leftOut: readonly string[] = [],
): ImportedRow {
  const settings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(row)) {
    const known =
      Object.hasOwn(columns, name) || leftOut.includes(name) || (stampColumns as readonly string[]).includes(name)
    if (known || name === 'object_permission_id' || isEmpty(value)) continue
    settings[name] = value
  }
  const permission = context.permissions.get(textOrNull(row, 'object_permission_id') ?? '')
  if (permission !== undefined) {
    settings['object_permission'] = Object.fromEntries(
      Object.entries(permission).filter(([name, value]) => name !== 'object_permission_id' && !isEmpty(value)),
    )
  }
  return { table, row: { ...columns, settings: JSON.stringify(settings), ...stamps(row, context) } }
}

const stamps = (row: SourceRow, { now }: ImportContext) => ({
  created_at: time(row, 'created_at') ?? now,
  created_by: textOrNull(row, 'created_by'),
  updated_at: time(row, 'updated_at') ?? now,
  updated_by: textOrNull(row, 'updated_by'),
})

/** What LiteLLM counted so far is what the running window starts with. */
const spend = (row: SourceRow, { now }: ImportContext) =>
  startingSpend(parseDollars(typeof row['spend'] === 'number' ? row['spend'] : 0) ?? 0, now)

const isEmpty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  (Array.isArray(value) && value.length === 0) ||
  (isRecord(value) && Object.keys(value).length === 0)

function text(row: SourceRow, name: string): string {
  const value = row[name]
  if (typeof value !== 'string' || value === '') throw new Error(`${name} is missing`)
  return value
}

function textOrNull(row: SourceRow, name: string): string | null {
  const value = row[name]
  return typeof value === 'string' && value !== '' ? value : null
}

/** Prisma writes UTC without a zone. */
function time(row: SourceRow, name: string): number | null {
  const value = row[name]
  if (typeof value !== 'string') return null
  const epoch = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(value) ? value : `${value}Z`)
  return Number.isNaN(epoch) ? null : epoch
}

const flag = (row: SourceRow, name: string): number => (row[name] === true ? 1 : 0)
