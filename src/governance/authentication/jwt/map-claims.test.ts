import { describe, expect, it } from 'vitest'
import type { TokenIdentity } from '../token-identity.ts'
import { claimAt, idAt, idsAt } from './claims.ts'
import { mapClaims } from './map-claims.ts'
import { readJwtSettings } from './settings.ts'

const map = (
  fields: Record<string, unknown>,
  claims: Record<string, unknown>,
  general: Record<string, unknown> = {},
): TokenIdentity => {
  const { settings } = readJwtSettings(
    { litellm_jwtauth: fields, ...general },
    { JWT_PUBLIC_KEY_URL: 'https://idp/jwks' },
  )
  return mapClaims(settings, { claims, issuer: undefined })
}

describe('claims', () => {
  const claims = {
    sub: 'alice',
    resource_access: { 'my-client': { roles: ['a', 'b'] } },
    'kubernetes.io': { namespace: 'prod' },
    'https://example.com/groups': ['g'],
    number: 7,
    empty: '',
    list: [],
  }
  it('are found by path, by escaped dots, and by their whole name', () => {
    expect(claimAt(claims, 'resource_access.my-client.roles')).toEqual(['a', 'b'])
    expect(idAt(claims, 'kubernetes\\.io.namespace')).toBe('prod')
    expect(idsAt(claims, 'https://example.com/groups')).toEqual(['g'])
    expect(idAt(claims, 'number')).toBe('7')
  })
  it('are absent when empty, and never come from the prototype', () => {
    for (const path of [
      'empty',
      'list',
      'nothing.at.all',
      'sub.length',
      '__proto__',
      'constructor.name',
      'list.length',
    ]) {
      expect(idAt(claims, path), path).toBeUndefined()
    }
  })
  it('are their own, not those every object has', () => {
    expect(claimAt({ a: {} }, 'a.constructor')).toBeUndefined()
    expect(claimAt({ a: {} }, 'toString')).toBeUndefined()
  })
  it('that are too long or too many are refused', () => {
    expect(() => idAt({ sub: 'x'.repeat(513) }, 'sub')).toThrow('longer than')
    expect(() => idsAt({ groups: Array.from({ length: 1001 }, (_, index) => `g${index}`) }, 'groups')).toThrow(
      'more than',
    )
  })
})

describe('the identity of a token', () => {
  it('is user, team, organization and end user by the claims that are configured', () => {
    const identity = map(
      {
        user_id_jwt_field: 'user.sub',
        user_email_jwt_field: 'user.email',
        team_id_jwt_field: 'tenant.team_id',
        org_id_jwt_field: 'organization.id',
        end_user_id_jwt_field: 'customer',
      },
      {
        user: { sub: 'u1', email: 'u1@x.com' },
        tenant: { team_id: 't1' },
        organization: { id: 'o1' },
        customer: 'c1',
        exp: 100,
      },
    )
    expect(identity).toMatchObject({
      userId: 'u1',
      userEmail: 'u1@x.com',
      teamId: 't1',
      organizationId: 'o1',
      endUserId: 'c1',
      expiresAt: 110_000,
      role: undefined,
    })
  })

  it('is a user by e-mail when no id is configured, and a team when there is no user', () => {
    expect(map({ user_email_jwt_field: 'email' }, { email: 'a@x.com' })).toMatchObject({
      userId: 'a@x.com',
      role: undefined,
    })
    expect(map({ team_id_jwt_field: 'client_id' }, { client_id: 't' })).toMatchObject({
      teamId: 't',
      role: 'team',
      routes: ['openai_routes', 'info_routes', 'mcp_routes'],
    })
  })

  it('must be somebody', () => {
    expect(() => map({}, { sub: 'alice' })).toThrow('neither a user nor a team')
    expect(() => map({ user_id_jwt_field: 'uid' }, { sub: 'alice' })).toThrow('neither a user nor a team')
  })

  it('is an administrator by scope, for administrators’ routes', () => {
    for (const scope of ['openid litellm_proxy_admin', ['litellm_proxy_admin']]) {
      expect(map({}, { scope })).toMatchObject({
        role: 'proxy_admin',
        routes: ['management_routes', 'spend_tracking_routes', 'global_spend_tracking_routes', 'info_routes'],
      })
    }
    for (const scope of ['litellm_proxy_admin2', 'xlitellm_proxy_admin', { litellm_proxy_admin: true }]) {
      expect(() => map({}, { scope })).toThrow('neither a user nor a team')
    }
    expect(
      map({ admin_jwt_scope: 'root', user_id_jwt_field: 'sub' }, { scope: 'litellm_proxy_admin', sub: 'a' }).role,
    ).toBeUndefined()
  })

  it('takes the first of a list for a single team, and all of it to choose from', () => {
    const identity = map({ team_id_jwt_field: 'groups', user_id_jwt_field: 'sub' }, { sub: 'a', groups: ['g1', 'g2'] })
    expect(identity).toMatchObject({ teamId: 'g1', teamIds: ['g1', 'g2'] })
    expect(
      map({ team_ids_jwt_field: 'groups', user_id_jwt_field: 'sub' }, { sub: 'a', groups: ['g1', 'g2', 'g1'] }),
    ).toMatchObject({
      teamId: undefined,
      teamIds: ['g1', 'g2'],
    })
  })

  it('falls back to the default team, unless the token names one in another way', () => {
    const fields = { team_id_jwt_field: 'team', team_id_default: 'everyone', user_id_jwt_field: 'sub' }
    expect(map(fields, { sub: 'a' }).teamId).toBe('everyone')
    expect(map(fields, { sub: 'a', team: 't' }).teamId).toBe('t')
    expect(map({ ...fields, team_alias_jwt_field: 'name' }, { sub: 'a', name: 'n' })).toMatchObject({
      teamId: undefined,
      teamAlias: 'n',
    })
  })

  it('needs a verified address of the allowed domain, compared whole', () => {
    const fields = { user_id_jwt_field: 'sub', user_email_jwt_field: 'email', user_allowed_email_domain: 'my-co.com' }
    expect(map(fields, { sub: 'a', email: 'a@MY-CO.com' }).userId).toBe('a')
    for (const email of [
      'a@evil-my-co.com',
      'a@my-co.com.evil.com',
      'a@my-co.com@evil.com',
      'my-co.com',
      'a@sub.my-co.com',
      undefined,
    ]) {
      expect(() => map(fields, { sub: 'a', email }), String(email)).toThrow('user_allowed_email_domain')
    }
    expect(() => map(fields, { sub: 'a', email: 'a@my-co.com', email_verified: false })).toThrow(
      'user_allowed_email_domain',
    )
  })

  it('maps roles: who the object id is, what it may use', () => {
    const fields = {
      object_id_jwt_field: 'oid',
      roles_jwt_field: 'roles',
      role_mappings: [
        { role: 'consumer', internal_role: 'team' },
        { role: 'person', internal_role: 'internal_user' },
        { role: 'root', internal_role: 'proxy_admin' },
      ],
      enforce_rbac: true,
    }
    const role_permissions = [{ role: 'team', models: ['m1'], routes: ['/v1/chat/completions'] }]
    expect(map(fields, { oid: 'x', roles: ['consumer'] }, { role_permissions })).toMatchObject({
      teamId: 'x',
      userId: undefined,
      role: 'team',
      models: ['m1'],
      routes: ['/v1/chat/completions'],
    })
    expect(map(fields, { oid: 'x', roles: 'person' }, { role_permissions })).toMatchObject({
      userId: 'x',
      teamId: undefined,
      models: undefined,
    })
    expect(map(fields, { oid: 'x', roles: ['root'] })).toMatchObject({ role: 'proxy_admin' })
    expect(() => map(fields, { oid: 'x', roles: ['other'] })).toThrow('enforce_rbac')
    expect(() => map(fields, { oid: 'x' })).toThrow('enforce_rbac')
  })

  it('general_settings.enforce_rbac counts as well', () => {
    expect(() =>
      map(
        { roles_jwt_field: 'roles', user_roles_jwt_field: 'r', user_allowed_roles: ['ok'] },
        { r: ['no'], sub: 'a' },
        { enforce_rbac: true },
      ),
    ).toThrow('enforce_rbac')
  })

  it('grants models and routes by scope, and none without one', () => {
    const fields = {
      user_id_jwt_field: 'sub',
      enforce_scope_based_access: true,
      scope_mappings: [
        { scope: 'a', models: ['m1', 'm2'], routes: ['/v1/models'] },
        { scope: 'b', models: ['m3'] },
      ],
    }
    expect(map(fields, { sub: 'u', scope: 'a b' })).toMatchObject({
      models: ['m1', 'm2', 'm3'],
      routes: ['/v1/models'],
    })
    expect(map(fields, { sub: 'u', scope: 'c' })).toMatchObject({ models: ['no-default-models'], routes: ['none'] })
  })

  it('says what may be created, required and made equal', () => {
    expect(
      map(
        { team_id_jwt_field: 't', user_id_jwt_field: 'sub', user_id_upsert: true, team_id_upsert: true },
        { t: 'x', sub: 'u' },
      ).rules,
    ).toEqual({
      upsertUser: true,
      upsertTeam: true,
      unknownUser: 'refuse',
      teamRequired: true,
      memberships: 'single',
      membershipsForUnknownTeam: false,
      sync: undefined,
    })
    const synced = map(
      {
        user_id_jwt_field: 'sub',
        team_ids_jwt_field: 'groups',
        roles_jwt_field: 'roles',
        sync_user_role_and_teams: true,
        jwt_litellm_role_map: [
          { jwt_role: 'ADMIN', litellm_role: 'proxy_admin' },
          { jwt_role: 'dev-*', litellm_role: 'internal_user' },
        ],
      },
      { sub: 'u', groups: ['g'], roles: ['dev-7'] },
    )
    expect(synced.rules.sync).toEqual({ role: 'internal_user', teamIds: ['g'] })
  })

  it('names the claim that stands for a key', () => {
    const fields = { virtual_key_claim_field: 'azp', unregistered_jwt_client_behavior: 'reject' }
    expect(map(fields, { azp: 'client' }).keyClaim).toEqual({ name: 'azp', value: 'client', unregistered: 'reject' })
    expect(() => map(fields, { sub: 'x' })).toThrow("no claim 'azp'")
  })

  it('is one bearer however often its tokens change, and never another one', () => {
    const fields = { user_id_jwt_field: 'sub' }
    const one = map(fields, { iss: 'a', sub: 'b', exp: 1, jti: '1' }).subject
    expect(map(fields, { iss: 'a', sub: 'b', exp: 2, jti: '2' }).subject).toBe(one)
    expect(map(fields, { iss: 'a|1:b', sub: 'c' }).subject).not.toBe(one)
    expect(map(fields, { iss: 'ab', sub: 'b' }).subject).not.toBe(map(fields, { iss: 'a', sub: 'bb' }).subject)
  })
})
