import type { KeyRow } from '../../../platform/store/tables.ts'
import type { Ownership } from '../../authorization/tenancy.ts'
import { type Presentation, present } from '../present.ts'

/** Columns of the table; every other field of a key lives in `settings`. */
export const keyColumns: ReadonlySet<string> = new Set([
  'token',
  'key_name',
  'key_alias',
  'user_id',
  'team_id',
  'organization_id',
  'project_id',
  'agent_id',
  'budget_id',
  'spend',
  'budget_reset_at',
  'expires',
  'blocked',
  'created_at',
  'created_by',
  'updated_at',
  'updated_by',
])

const presentation: Presentation = {
  money: ['spend'],
  times: ['created_at', 'updated_at', 'budget_reset_at', 'expires_at', 'rotates_at', 'last_active_at'],
  flags: ['blocked'],
  hidden: ['spend_since', 'spend_base'],
  defaults: {
    models: [],
    aliases: {},
    config: {},
    permissions: {},
    metadata: {},
    max_budget: null,
    soft_budget: null,
    budget_duration: null,
    tpm_limit: null,
    rpm_limit: null,
    max_parallel_requests: null,
    allowed_cache_controls: [],
    allowed_routes: [],
    model_max_budget: {},
    model_spend: {},
    access_group_ids: [],
    tags: [],
    auto_rotate: false,
    rotation_interval: null,
    rotation_count: 0,
  },
}

/** A key as `/key/info` shows it. The key itself is not known; its hash is `token`. */
export function keyObject(row: KeyRow): Record<string, unknown> {
  const { expires_at: expires, rotates_at: rotation, last_active_at: active, ...shown } = present(row, presentation)
  return { ...shown, expires, key_rotation_at: rotation, last_active: active }
}

export const keyOwnership = (row: KeyRow): Ownership => ({
  userId: row.user_id,
  teamId: row.team_id,
  organizationId: row.organization_id,
  token: row.token,
})
