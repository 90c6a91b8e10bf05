import type { Generated } from 'kysely'
import type { LearningTables } from './learning-tables.ts'

/**
 * Columns of every table. Conventions on both databases: ids and names are text, times are epoch milliseconds, money is
 * integer nano-dollars, flags are 0 or 1, JSON is text. What is searched, joined or summed has a column; every other
 * field of an object is in `settings`, under LiteLLM's field name.
 */
export interface Tables extends LearningTables {
  keys: KeyRow & SpendPeriod
  deprecated_keys: DeprecatedKeyRow
  teams: TeamRow & SpendPeriod
  team_members: TeamMemberRow & SpendPeriod
  users: UserRow & SpendPeriod
  organizations: OrganizationRow & SpendPeriod
  organization_members: OrganizationMemberRow & SpendPeriod
  projects: ProjectRow & SpendPeriod
  end_users: EndUserRow & SpendPeriod
  budgets: BudgetRow
  tags: TagRow & SpendPeriod
  access_groups: AccessGroupRow
  credentials: CredentialRow
  models: ModelRow
  invitations: InvitationRow
  sessions: SessionRow
  jwt_key_mappings: JwtKeyMappingRow
  policies: PolicyRow
  settings: SettingRow
  deleted_objects: DeletedObjectRow
  ledger: LedgerRow
  ledger_bodies: LedgerBodyRow
  daily_spend: DailySpendRow
  daily_totals: DailyTotalRow
  daily_errors: DailyErrorRow
  audit: AuditRow
  sink_cursors: SinkCursorRow
}

/**
 * What `spend` of a row sums: `spend_base`, and the cost of every call that started at `spend_since` or later. A reset
 * sets all three (see `governance/ledger/spend-reset.ts`); the ledger adds no call that started before. Both default to 0.
 */
export interface SpendPeriod {
  /** Epoch ms. */
  spend_since: Generated<number>
  /** Nano-dollars. */
  spend_base: Generated<number>
}

/** Columns that every managed object has. */
interface Managed {
  /** JSON object. */
  settings: string
  created_at: number
  created_by: string | null
  updated_at: number
  updated_by: string | null
}

export interface KeyRow extends Managed {
  /** SHA-256 of the key in hex, as LiteLLM stores it. The key itself is nowhere. */
  token: string
  /** `sk-...abcd`. */
  key_name: string
  key_alias: string | null
  user_id: string | null
  team_id: string | null
  organization_id: string | null
  project_id: string | null
  agent_id: string | null
  budget_id: string | null
  spend: number
  /** End of the current budget window; null: no window runs. */
  budget_reset_at: number | null
  expires_at: number | null
  blocked: number
  /** When `auto_rotate` replaces it. */
  rotates_at: number | null
  last_active_at: number | null
}

/** A key that was replaced and still opens the door for a while. */
export interface DeprecatedKeyRow {
  token: string
  /** Token of the key that replaced it. */
  successor: string
  valid_until: number
}

export interface TeamRow extends Managed {
  team_id: string
  team_alias: string | null
  organization_id: string | null
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
  blocked: number
}

export interface TeamMemberRow {
  team_id: string
  user_id: string
  role: string
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
  settings: string
  created_at: number
}

export interface UserRow extends Managed {
  user_id: string
  user_email: string | null
  user_alias: string | null
  sso_user_id: string | null
  user_role: string
  /** scrypt, `scrypt$N$r$p$salt$hash`; null: no password login. Never leaves the server. */
  password_hash: string | null
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
  blocked: number
}

export interface OrganizationRow extends Managed {
  organization_id: string
  organization_alias: string | null
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
}

export interface OrganizationMemberRow {
  organization_id: string
  user_id: string
  user_role: string
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
  created_at: number
}

export interface ProjectRow extends Managed {
  project_id: string
  project_alias: string | null
  team_id: string | null
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
  blocked: number
}

/** Customers, in LiteLLM's other word. */
export interface EndUserRow extends Managed {
  user_id: string
  alias: string | null
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
  blocked: number
}

export interface BudgetRow extends Managed {
  budget_id: string
  budget_reset_at: number | null
}

export interface TagRow extends Managed {
  name: string
  budget_id: string | null
  spend: number
  budget_reset_at: number | null
}

export interface AccessGroupRow extends Managed {
  access_group_id: string
  access_group_name: string
  budget_id: string | null
  spend: number
}

export interface CredentialRow extends Managed {
  credential_name: string
  /** AES-256-GCM envelope of a JSON object. */
  values_encrypted: string
}

/** A deployment kept in the database. `settings` holds `model_info`; vendor settings are encrypted whole. */
export interface ModelRow extends Managed {
  model_id: string
  model_name: string
  params_encrypted: string
  team_id: string | null
  blocked: number
}

export interface InvitationRow {
  id: string
  user_id: string
  created_at: number
  created_by: string | null
  expires_at: number
  accepted_at: number | null
}

export interface SessionRow {
  /** SHA-256 of the session token in hex. */
  token: string
  user_id: string
  created_at: number
  expires_at: number
  /** JSON: how the user logged in, address. */
  settings: string
}

export interface JwtKeyMappingRow extends Managed {
  id: string
  claim_name: string
  claim_value: string
  /** Token (hash) of the virtual key that stands for the claim. */
  token: string
  active: number
}

export interface PolicyRow extends Managed {
  policy_id: string
  name: string
  /** Lower is looked at first. */
  position: number
  enabled: number
  dry_run: number
}

/** Settings made through the API, by section name; and what must be remembered once (`first_admin`, salts). */
export interface SettingRow {
  name: string
  value: string
  revision: number
  updated_at: number
  updated_by: string | null
}

export interface DeletedObjectRow {
  id: string
  kind: string
  object_id: string
  value: string
  deleted_at: number
  deleted_by: string | null
}

/** One call. See `SpendRecord` for what the fields mean. */
export interface LedgerRow {
  /** Id of the record. With `started_at` the key: a record is written once, however often it is shipped. */
  id: string
  /** The id the caller chose for its call; null: it saw `id`. Indexed where not null. */
  call_id: string | null
  started_at: number
  ended_at: number
  /** `YYYY-MM-DD`, UTC, of `started_at`. */
  date: string
  route: string
  operation: string
  status: number
  error: string | null
  token: string | null
  key_alias: string | null
  user_id: string | null
  team_id: string | null
  organization_id: string | null
  project_id: string | null
  agent_id: string | null
  end_user: string | null
  session_id: string | null
  /** As served (the vendor's name); as asked for when nothing served it. */
  model: string
  model_group: string | null
  deployment_id: string | null
  provider: string | null
  cost: number
  input_tokens: number
  output_tokens: number
  cache_read_tokens: number
  cache_write_tokens: number
  reasoning_tokens: number
  /** Answered from the response cache: 0 or 1. */
  cache_hit: number
  /** JSON list of text. */
  tags: string
  /** JSON: cost lines, latency by phase, attempts, request metadata, address, further usage. */
  details: string
}

export interface LedgerBodyRow {
  id: string
  /** Of the call: with the id the key of its ledger row. */
  started_at: number
  request: string | null
  response: string | null
  expires_at: number
}

/** What is summed at ingest. */
export interface DailySums {
  requests: number
  failed_requests: number
  cost: number
  input_tokens: number
  output_tokens: number
  cache_read_tokens: number
  cache_write_tokens: number
  reasoning_tokens: number
  /** Answered from the response cache: calls, and the output tokens that so were not generated. */
  cache_hits: number
  cached_output_tokens: number
  /** Milliseconds of duration, summed. */
  duration_ms: number
}

/**
 * One row per day, entity, key and combination of what was called. `entity` is one of `all`, `user`, `team`,
 * `team_member` (`<team>/<user>`), `organization`, `end_user`, `tag`, `agent`, `project`; the id is empty for `all`, and for
 * the calls of no `user` and no `team`. Calls for many customers or with many tags share a key: `every_end_user` and
 * `every_tag` sum those of all ids, once for each tag of a call.
 */
export interface DailySpendRow extends DailySums {
  date: string
  entity: string
  entity_id: string
  token: string
  model: string
  model_group: string
  provider: string
  route: string
}

/**
 * The same without keys, by day first: for reports that tell no keys apart. Two kinds of rows. What was called, whoever
 * called: entity `all`, `every_organization`, `every_project`, `every_agent`, `every_end_user`, `every_tag`, with an empty id.
 * Who called, whatever it was: entity `user`, `team`, `organization`, … with its id, and nothing in the other columns.
 */
export interface DailyTotalRow extends DailySums {
  date: string
  entity: string
  entity_id: string
  model: string
  model_group: string
  provider: string
  route: string
}

/** Failed calls by day and kind of failure, counted at ingest. Key: all columns but `requests`. */
export interface DailyErrorRow {
  date: string
  /** Error code or failure kind. */
  error: string
  status: number
  /** Empty: no group, deployment was found. */
  model_group: string
  deployment_id: string
  requests: number
}

/** Append-only; each record's hash covers the one before. */
export interface AuditRow {
  /** 1, 2, 3 … without gaps. */
  seq: number
  id: string
  at: number
  actor: string
  actor_token: string | null
  address: string | null
  action: string
  object_kind: string
  object_id: string
  outcome: string
  before: string | null
  after: string | null
  details: string | null
  previous_hash: string
  hash: string
}

export interface SinkCursorRow {
  sink: string
  /** The last record the sink has confirmed, and its hash: a restored or rewritten log is noticed. */
  seq: number
  hash: string | null
  /** The last record of the batch being sent, written before it is: a batch that is sent again has the same bounds. */
  pending_seq: number | null
  updated_at: number
}
