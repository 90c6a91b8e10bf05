import type { ObjectKind } from '../managed-objects.ts'
import type { Presentation } from '../present.ts'

const presentation: Presentation = {
  money: ['spend'],
  times: ['created_at', 'updated_at', 'budget_reset_at'],
  flags: ['blocked'],
  hidden: ['spend_since', 'spend_base'],
  defaults: { metadata: {}, max_budget: null, budget_duration: null, tpm_limit: null, rpm_limit: null },
}

const common = ['budget_id', 'spend', 'budget_reset_at', 'created_at', 'updated_at'] as const

export const projectKind: ObjectKind<'projects'> = {
  table: 'projects',
  id: 'project_id',
  name: 'project',
  columns: new Set(['project_id', 'project_alias', 'team_id', 'blocked', ...common]),
  presentation: { ...presentation, defaults: { ...presentation.defaults, models: [] } },
  notices: row => [{ kind: 'project', id: row.project_id }],
}

export const endUserKind: ObjectKind<'end_users'> = {
  table: 'end_users',
  id: 'user_id',
  name: 'customer',
  columns: new Set(['user_id', 'alias', 'blocked', ...common]),
  presentation,
  notices: row => [{ kind: 'end_user', id: row.user_id }],
}

/** Budgets are shared: whoever may hang on one is unknown, so a change drops every cached caller. */
export const budgetKind: ObjectKind<'budgets'> = {
  table: 'budgets',
  id: 'budget_id',
  name: 'budget',
  columns: new Set(['budget_id', 'budget_reset_at', 'created_at', 'updated_at']),
  presentation: {
    ...presentation,
    money: [],
    defaults: {
      max_budget: null,
      soft_budget: null,
      max_parallel_requests: null,
      tpm_limit: null,
      rpm_limit: null,
      budget_duration: null,
      model_max_budget: null,
    },
  },
  notices: () => [{ kind: 'all', id: '' }],
}

export const tagKind: ObjectKind<'tags'> = {
  table: 'tags',
  id: 'name',
  name: 'tag',
  columns: new Set(['name', ...common]),
  presentation: { ...presentation, defaults: { ...presentation.defaults, description: null, models: [] } },
  notices: row => [{ kind: 'tag', id: row.name }],
}

export const accessGroupKind: ObjectKind<'access_groups'> = {
  table: 'access_groups',
  id: 'access_group_id',
  name: 'access group',
  columns: new Set(['access_group_id', 'access_group_name', 'budget_id', 'spend', 'created_at', 'updated_at']),
  presentation: {
    ...presentation,
    times: ['created_at', 'updated_at'],
    defaults: {
      description: null,
      access_model_names: [],
      access_mcp_server_ids: [],
      access_agent_ids: [],
      assigned_team_ids: [],
      assigned_key_ids: [],
    },
  },
  notices: () => [{ kind: 'all', id: '' }],
}
