import { createHash, randomBytes } from 'node:crypto'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import pg from 'pg'

const sha = (key: string): string => createHash('sha256').update(key).digest('hex')

/** As LiteLLM encrypts: NaCl secretbox under the SHA-256 of the salt key, nonce in front, base64. */
export function litellmEncrypt(text: string, saltKey: string): string {
  const nonce = randomBytes(24)
  const box = xsalsa20poly1305(createHash('sha256').update(saltKey).digest(), nonce).encrypt(Buffer.from(text))
  return Buffer.concat([nonce, box]).toString('base64')
}

const stamps = `created_at timestamp(3) default current_timestamp, created_by text, updated_at timestamp(3) default current_timestamp, updated_by text`
const spender = `spend double precision not null default 0, models text[], metadata jsonb not null default '{}'`
const limits = `max_budget double precision, max_parallel_requests integer, tpm_limit bigint, rpm_limit bigint, budget_duration text, budget_reset_at timestamp(3)`

/** The tables that are imported, with LiteLLM's column names and types. */
const schema = `
create table "LiteLLM_BudgetTable" (budget_id text primary key, soft_budget double precision, model_max_budget jsonb, ${limits}, ${stamps});
create table "LiteLLM_OrganizationTable" (organization_id text primary key, organization_alias text not null, budget_id text not null, object_permission_id text, model_spend jsonb default '{}', ${spender}, ${stamps});
create table "LiteLLM_UserTable" (user_id text primary key, user_alias text, team_id text, sso_user_id text, organization_id text, object_permission_id text, password text, teams text[] default '{}', user_role text, user_email text, ${spender}, ${limits}, ${stamps});
create table "LiteLLM_OrganizationMembership" (user_id text, organization_id text, user_role text, spend double precision default 0, budget_id text, created_at timestamp(3) default current_timestamp, updated_at timestamp(3), primary key (user_id, organization_id));
create table "LiteLLM_TeamTable" (team_id text primary key, team_alias text, organization_id text, object_permission_id text, admins text[], members text[], members_with_roles jsonb default '{}', blocked boolean not null default false, model_id integer, team_member_permissions text[] default '{}', ${spender}, ${limits}, ${stamps});
create table "LiteLLM_TeamMembership" (user_id text, team_id text, spend double precision default 0, budget_id text, primary key (user_id, team_id));
create table "LiteLLM_ObjectPermissionTable" (object_permission_id text primary key, mcp_servers text[] default '{}', vector_stores text[] default '{}');
create table "LiteLLM_VerificationToken" (token text primary key, key_name text, key_alias text, soft_budget_cooldown boolean default false, expires timestamp(3), aliases jsonb default '{}', config jsonb default '{}', user_id text, team_id text, agent_id text, project_id text, permissions jsonb default '{}', blocked boolean, allowed_routes text[] default '{}', budget_id text, organization_id text, object_permission_id text, auto_rotate boolean default false, rotation_interval text, key_rotation_at timestamp(3), last_active timestamp(3), ${spender}, ${limits}, ${stamps});
create table "LiteLLM_DeprecatedVerificationToken" (id text primary key, token text, active_token_id text, revoke_at timestamp(3), created_at timestamp(3) default current_timestamp);
create table "LiteLLM_EndUserTable" (user_id text primary key, alias text, spend double precision default 0, allowed_model_region text, default_model text, budget_id text, blocked boolean not null default false);
create table "LiteLLM_TagTable" (tag_name text primary key, description text, model_info jsonb, budget_id text, models text[], spend double precision default 0, ${stamps});
create table "LiteLLM_CredentialsTable" (credential_id text primary key, credential_name text, credential_values jsonb not null, credential_info jsonb, ${stamps});
create table "LiteLLM_ProxyModelTable" (model_id text primary key, model_name text not null, litellm_params jsonb not null, model_info jsonb, ${stamps});
`

export interface LitellmData {
  readonly saltKey: string
  readonly upstream: string
}

/** A LiteLLM database with something of everything. Keys: sk-plain, sk-team, sk-blocked, sk-expired, sk-old. */
export async function fillLitellm(url: string, { saltKey, upstream }: LitellmData): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const insert = (table: string, row: Record<string, unknown>) => {
    const names = Object.keys(row)
    const marks = names.map((_, index) => `$${index + 1}`)
    return client.query(
      `insert into "LiteLLM_${table}" (${names.map(name => `"${name}"`).join(', ')}) values (${marks.join(', ')})`,
      Object.values(row),
    )
  }
  try {
    await client.query(schema)
    await insert('BudgetTable', { budget_id: 'tier', max_budget: 0.000001, rpm_limit: 1000 })
    await insert('OrganizationTable', {
      organization_id: 'org',
      organization_alias: 'Org',
      budget_id: 'tier-none',
      models: ['moved', 'other'],
    })
    await insert('UserTable', {
      user_id: 'ann',
      user_email: 'ann@x.test',
      user_role: 'proxy_admin_viewer',
      password: 'hash',
      spend: 1.5,
      max_budget: 100,
      teams: ['team'],
    })
    await insert('UserTable', { user_id: 'bob', user_role: 'internal_user' })
    await insert('OrganizationMembership', { user_id: 'bob', organization_id: 'org', user_role: 'org_admin' })
    await insert('TeamTable', {
      team_id: 'team',
      team_alias: 'Team',
      organization_id: 'org',
      models: ['moved'],
      members_with_roles: JSON.stringify([
        { user_id: 'bob', role: 'admin' },
        { user_id: 'ann', role: 'user' },
      ]),
      rpm_limit: 500,
    })
    await insert('TeamMembership', { user_id: 'ann', team_id: 'team', spend: 0.25, budget_id: 'tier-none' })
    await insert('ObjectPermissionTable', { object_permission_id: 'op', mcp_servers: ['files'] })
    const key = (name: string, fields: Record<string, unknown> = {}) =>
      insert('VerificationToken', {
        token: sha(name),
        key_name: `sk-...${name.slice(-4)}`,
        key_alias: `alias-${name}`,
        ...fields,
      })
    await key('sk-plain', {
      models: ['moved'],
      spend: 2.5,
      max_budget: 10,
      metadata: JSON.stringify({ tags: ['a'] }),
      user_id: 'ann',
      object_permission_id: 'op',
      expires: '2099-01-01 00:00:00',
    })
    await key('sk-team', { team_id: 'team' })
    await key('sk-blocked', { blocked: true })
    await key('sk-expired', { expires: '2020-01-01 00:00:00' })
    await key('sk-spent', { spend: 5, max_budget: 5 })
    await insert('VerificationToken', { token: 'dashboard-session-token', key_name: 'ui' })
    await insert('DeprecatedVerificationToken', {
      id: 'd',
      token: sha('sk-old'),
      active_token_id: sha('sk-plain'),
      revoke_at: '2099-01-01 00:00:00',
    })
    await insert('EndUserTable', { user_id: 'customer', alias: 'C', blocked: true })
    await insert('TagTable', { tag_name: 'red', description: 'colour' })
    const sealed = (text: string) => litellmEncrypt(text, saltKey)
    await insert('CredentialsTable', {
      credential_id: 'c',
      credential_name: 'cred',
      credential_values: JSON.stringify({ api_key: sealed('sk-upstream-secret') }),
      credential_info: JSON.stringify({ custom_llm_provider: 'openai' }),
    })
    await insert('ProxyModelTable', {
      model_id: 'moved-1',
      model_name: 'moved',
      litellm_params: JSON.stringify({
        model: sealed('openai/moved'),
        api_base: sealed(`${upstream}/v1`),
        litellm_credential_name: 'cred',
      }),
      model_info: JSON.stringify({ id: 'moved-1', db_model: true }),
    })
  } finally {
    await client.end()
  }
}
