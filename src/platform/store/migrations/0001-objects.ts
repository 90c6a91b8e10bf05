import type { TableShape } from './table-shape.ts'

/** What every managed object has. */
const managed = {
  settings: 'text',
  created_at: 'integer',
  created_by: 'text?',
  updated_at: 'integer',
  updated_by: 'text?',
} as const

/** What everything that spends has. */
const spending = { budget_id: 'text?', spend: 'integer', budget_reset_at: 'integer?' } as const

/** Lists are shown newest first; the budget job looks for windows that have ended, and budgets for who uses them. */
const listed = ['created_at'] as const
const resets = ['budget_reset_at'] as const
const budgeted = ['budget_id'] as const

const keys: TableShape = {
  name: 'keys',
  columns: {
    token: 'text',
    key_name: 'text',
    key_alias: 'text?',
    user_id: 'text?',
    team_id: 'text?',
    organization_id: 'text?',
    project_id: 'text?',
    agent_id: 'text?',
    ...spending,
    expires_at: 'integer?',
    blocked: 'integer',
    rotates_at: 'integer?',
    last_active_at: 'integer?',
    ...managed,
  },
  primaryKey: ['token'],
  unique: [['key_alias']],
  indexes: [
    ['user_id'],
    ['team_id'],
    ['organization_id'],
    ['project_id'],
    ['agent_id'],
    ['expires_at'],
    ['rotates_at'],
    resets,
    budgeted,
    ['created_at', 'token'],
  ],
  fillFactor: 80,
}

const deprecatedKeys: TableShape = {
  name: 'deprecated_keys',
  columns: { token: 'text', successor: 'text', valid_until: 'integer' },
  primaryKey: ['token'],
  indexes: [['successor'], ['valid_until']],
}

const teams: TableShape = {
  name: 'teams',
  columns: {
    team_id: 'text',
    team_alias: 'text?',
    organization_id: 'text?',
    ...spending,
    blocked: 'integer',
    ...managed,
  },
  primaryKey: ['team_id'],
  indexes: [['team_alias'], ['organization_id'], resets, budgeted, listed],
  fillFactor: 80,
}

const teamMembers: TableShape = {
  name: 'team_members',
  columns: {
    team_id: 'text',
    user_id: 'text',
    role: 'text',
    ...spending,
    settings: 'text',
    created_at: 'integer',
  },
  primaryKey: ['team_id', 'user_id'],
  indexes: [['user_id'], resets, budgeted],
  fillFactor: 80,
}

const users: TableShape = {
  name: 'users',
  columns: {
    user_id: 'text',
    user_email: 'text?',
    user_alias: 'text?',
    sso_user_id: 'text?',
    user_role: 'text',
    password_hash: 'text?',
    ...spending,
    blocked: 'integer',
    ...managed,
  },
  primaryKey: ['user_id'],
  // As in LiteLLM the email is not unique in the table: imported users may share one. Who creates users checks it.
  unique: [['sso_user_id']],
  indexes: [resets, budgeted, listed],
  fillFactor: 80,
}

const organizations: TableShape = {
  name: 'organizations',
  columns: { organization_id: 'text', organization_alias: 'text?', ...spending, ...managed },
  primaryKey: ['organization_id'],
  indexes: [['organization_alias'], resets, budgeted],
  fillFactor: 80,
}

const organizationMembers: TableShape = {
  name: 'organization_members',
  columns: {
    organization_id: 'text',
    user_id: 'text',
    user_role: 'text',
    ...spending,
    created_at: 'integer',
  },
  primaryKey: ['organization_id', 'user_id'],
  indexes: [['user_id'], resets, budgeted],
  fillFactor: 80,
}

const projects: TableShape = {
  name: 'projects',
  columns: {
    project_id: 'text',
    project_alias: 'text?',
    team_id: 'text?',
    ...spending,
    blocked: 'integer',
    ...managed,
  },
  primaryKey: ['project_id'],
  indexes: [['project_alias'], ['team_id'], resets, budgeted],
  fillFactor: 80,
}

const endUsers: TableShape = {
  name: 'end_users',
  columns: { user_id: 'text', alias: 'text?', ...spending, blocked: 'integer', ...managed },
  primaryKey: ['user_id'],
  indexes: [['alias'], resets, budgeted],
  fillFactor: 80,
}

const budgets: TableShape = {
  name: 'budgets',
  columns: { budget_id: 'text', budget_reset_at: 'integer?', ...managed },
  primaryKey: ['budget_id'],
  indexes: [resets],
}

const tags: TableShape = {
  name: 'tags',
  columns: { name: 'text', ...spending, ...managed },
  primaryKey: ['name'],
  indexes: [resets, budgeted],
  fillFactor: 80,
}

/** Emails are found in whatever case they are written. */
export const usersByEmail = 'create index "users_by_email" on "users" (lower("user_email"))'

export const objects: readonly TableShape[] = [
  keys,
  deprecatedKeys,
  teams,
  teamMembers,
  users,
  organizations,
  organizationMembers,
  projects,
  endUsers,
  budgets,
  tags,
  {
    name: 'access_groups',
    columns: {
      access_group_id: 'text',
      access_group_name: 'text',
      budget_id: 'text?',
      spend: 'integer',
      ...managed,
    },
    primaryKey: ['access_group_id'],
    unique: [['access_group_name']],
    indexes: [budgeted],
  },
  {
    name: 'credentials',
    columns: { credential_name: 'text', values_encrypted: 'text', ...managed },
    primaryKey: ['credential_name'],
  },
  {
    name: 'models',
    columns: {
      model_id: 'text',
      model_name: 'text',
      params_encrypted: 'text',
      team_id: 'text?',
      blocked: 'integer',
      ...managed,
    },
    primaryKey: ['model_id'],
    indexes: [['model_name'], ['team_id']],
  },
  {
    name: 'invitations',
    columns: {
      id: 'text',
      user_id: 'text',
      created_at: 'integer',
      created_by: 'text?',
      expires_at: 'integer',
      accepted_at: 'integer?',
    },
    primaryKey: ['id'],
    indexes: [['user_id'], ['expires_at']],
  },
  {
    name: 'sessions',
    columns: { token: 'text', user_id: 'text', created_at: 'integer', expires_at: 'integer', settings: 'text' },
    primaryKey: ['token'],
    indexes: [['user_id'], ['expires_at']],
  },
  {
    name: 'jwt_key_mappings',
    columns: {
      id: 'text',
      claim_name: 'text',
      claim_value: 'text',
      token: 'text',
      active: 'integer',
      ...managed,
    },
    primaryKey: ['id'],
    unique: [['claim_name', 'claim_value']],
    indexes: [['token']],
  },
  {
    name: 'policies',
    columns: {
      policy_id: 'text',
      name: 'text',
      position: 'integer',
      enabled: 'integer',
      dry_run: 'integer',
      ...managed,
    },
    primaryKey: ['policy_id'],
    unique: [['name']],
  },
  {
    name: 'settings',
    columns: { name: 'text', value: 'text', revision: 'integer', updated_at: 'integer', updated_by: 'text?' },
    primaryKey: ['name'],
  },
  {
    name: 'deleted_objects',
    columns: {
      id: 'text',
      kind: 'text',
      object_id: 'text',
      value: 'text',
      deleted_at: 'integer',
      deleted_by: 'text?',
    },
    primaryKey: ['id'],
    indexes: [
      ['kind', 'object_id'],
      ['kind', 'deleted_at'],
    ],
  },
]
