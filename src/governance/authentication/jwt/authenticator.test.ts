import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { StoreUnavailable } from '../../../platform/store/store.ts'
import {
  json,
  LoopbackServer,
  loopbackDoors,
  newcomers,
  openPlane,
  TestClock,
  type TestIssuer,
  type TestPlane,
  testIssuer,
} from '../authentication.fixtures.ts'
import { Provisioning } from '../people.ts'
import type { Principal } from '../principal.ts'
import { TokenAdmission } from '../token-admission.ts'
import { newKey, tokenOf } from '../token-hash.ts'
import { JwtAuthenticator } from './authenticator.ts'
import { readJwtSettings } from './settings.ts'

let issuer: TestIssuer
const doors = loopbackDoors()
beforeAll(async () => {
  issuer = await testIssuer('key-1')
})
afterAll(() => doors.close())

let clock: TestClock
let idp: LoopbackServer
let world: TestPlane
let admission: TokenAdmission

beforeEach(async () => {
  clock = new TestClock()
  idp = await new LoopbackServer((_request, response) => json(response, { keys: [issuer.publicJwk] })).listen()
  world = await openPlane(clock)
  admission = new TokenAdmission({
    plane: world.plane,
    clock,
    newcomers,
    ttl: 60_000,
    staleFor: 600_000,
    maxEntries: 100,
  })
  world.plane.onNotice(notice => admission.invalidate(notice))
})
afterEach(async () => {
  await world.close()
  await idp.close()
})

const authenticator = (fields: Record<string, unknown>, more: Record<string, unknown> = {}): JwtAuthenticator => {
  const { settings } = readJwtSettings({ litellm_jwtauth: fields }, { JWT_PUBLIC_KEY_URL: `${idp.url}/jwks` })
  return new JwtAuthenticator({
    settings,
    outbound: doors,
    clock,
    admission,
    validate: undefined,
    introspection: undefined,
    ...more,
  })
}

const token = (claims: Record<string, unknown>): Promise<string> =>
  issuer.sign({ sub: 'alice', exp: clock.seconds + 300, ...claims })

const come = async (
  by: JwtAuthenticator,
  claims: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Principal> => {
  const found = await by.authenticate(await token(claims), { method: 'POST', headers, address: '', peer: '' })
  return found!
}

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return `${(error as GatewayError).code}: ${(error as GatewayError).message}`
}

const actor = { name: 'test', token: undefined, address: undefined }
const provision = <T>(work: (by: Provisioning) => Promise<T>): Promise<T> =>
  world.plane.change(async trx => {
    const by = new Provisioning(trx, actor, clock.epoch())
    return { result: await work(by), audit: by.audit, notices: by.notices }
  })
const user = (userId: string, more: object = {}) =>
  provision(by => by.createUser({ userId, role: 'internal_user', ...more }))
const team = (id: string, settings: object = {}) => provision(by => by.createTeam(id, `Team ${id}`, { ...settings }))
const row = (userId: string) =>
  world.plane.store.db.selectFrom('users').selectAll().where('user_id', '=', userId).executeTakeFirst()
const update = async (changes: object): Promise<void> => {
  const before = (await row('alice'))!
  await provision(by => by.updateUser(before, changes))
}
const teamsOf = async (userId: string): Promise<string[]> =>
  (await world.plane.store.db.selectFrom('team_members').select('team_id').where('user_id', '=', userId).execute())
    .map(member => member.team_id)
    .sort()

const byUser = { user_id_jwt_field: 'sub' }

describe('users of tokens', () => {
  it('must exist, unless they may be made', async () => {
    expect(await refused(come(authenticator(byUser), {}))).toContain('permission_denied')
    clock.pass(10_000)
    const made = await come(authenticator({ ...byUser, user_id_upsert: true, user_email_jwt_field: 'email' }), {
      email: 'a@x.com',
    })
    expect(made).toMatchObject({
      proof: 'jwt',
      userId: 'alice',
      userEmail: 'a@x.com',
      role: 'internal_user',
      admin: false,
    })
    expect(await row('alice')).toMatchObject({ user_email: 'a@x.com', sso_user_id: 'alice', created_by: 'jwt:alice' })
    expect(world.audit).toMatchObject([{ action: 'created', objectKind: 'user', objectId: 'alice' }])
    await come(authenticator({ ...byUser, user_id_upsert: true }), {})
    expect(world.audit).toHaveLength(1)
  })

  it('are found by single sign-on id and by verified address, and by no other', async () => {
    await user('u1', { ssoUserId: 'idp|1' })
    await user('u2', { email: 'Bob@X.com' })
    const by = authenticator({ ...byUser, user_email_jwt_field: 'email' })
    expect((await come(by, { sub: 'idp|1' })).userId).toBe('u1')
    expect((await come(by, { sub: 'new', email: 'bob@x.com' })).userId).toBe('u2')
    expect(await refused(come(by, { sub: 'evil', email: 'bob@x.com', email_verified: false }))).toContain(
      'permission_denied',
    )
    await user('u3', { email: 'BOB@x.com' })
    expect(await refused(come(by, { sub: 'other', email: 'bob@x.com', jti: '2' }))).toContain('permission_denied')
  })

  it('have the role of their row, and lose it with it', async () => {
    await user('alice', { role: 'proxy_admin' })
    const by = authenticator(byUser)
    expect(await come(by, {})).toMatchObject({ role: 'proxy_admin', admin: true })
    await update({ user_role: 'internal_user_viewer' })
    expect(await come(by, {})).toMatchObject({ role: 'internal_user_viewer', admin: false })
    await update({ blocked: 1 })
    expect(await refused(come(by, {}))).toContain('key_blocked')
    await update({ blocked: 0 })
    expect((await come(by, {})).userId).toBe('alice')
  })

  it('are administrators by scope without a row', async () => {
    const found = await come(authenticator(byUser), { scope: 'litellm_proxy_admin' })
    expect(found).toMatchObject({
      role: 'proxy_admin',
      admin: true,
      userId: 'alice',
      allowedRoutes: expect.arrayContaining(['management_routes']),
    })
    expect(await row('alice')).toBeUndefined()
  })
})

describe('teams of tokens', () => {
  const fields = { ...byUser, user_id_upsert: true, team_ids_jwt_field: 'groups' }

  it('are the first one that exists, and the bearer becomes a member', async () => {
    await team('g2', { models: ['m2'] })
    const found = await come(authenticator(fields), { groups: ['g1', 'g2'] })
    expect(found).toMatchObject({
      teamId: 'g2',
      teamAlias: 'Team g2',
      modelAccess: [{ level: 'team', id: 'g2', models: ['m2'] }],
    })
    expect(await teamsOf('alice')).toEqual(['g2'])
  })

  it('can be asked for by id and by alias, but only the token’s own', async () => {
    for (const id of ['g1', 'g2', 'g3']) await team(id)
    const by = authenticator(fields)
    const groups = ['g1', 'g2']
    expect((await come(by, { groups }, { 'x-litellm-team-id': 'g2' })).teamId).toBe('g2')
    expect((await come(by, { groups }, { 'x-litellm-team-id': 'Team g1' })).teamId).toBe('g1')
    const foreign = await refused(come(by, { groups }, { 'x-litellm-team-id': 'g3' }))
    const unknown = await refused(come(by, { groups }, { 'x-litellm-team-id': 'g9' }))
    expect(foreign).toContain('permission_denied')
    expect(foreign.replace('g3', '')).toBe(unknown.replace('g9', ''))
  })

  it('are chosen by what suits, in the order of the token', async () => {
    for (const id of ['g1', 'g2', 'g3']) await team(id, { models: [`model-${id}`] })
    const found = await come(authenticator(fields), { groups: ['g1', 'g2', 'g3'] })
    const may = (model: string) => (who: Principal) => who.modelAccess.every(level => level.models.includes(model))
    expect((await admission.choose(found, may('model-g3'))).teamId).toBe('g3')
    expect((await admission.choose(found, may('model-g1'))).teamId).toBe('g1')
    expect(await admission.choose(found, may('nothing'))).toBe(found)
    await world.plane.change(async trx => {
      await trx.updateTable('teams').set({ blocked: 1 }).where('team_id', '=', 'g2').execute()
      return { result: undefined, audit: [], notices: [{ kind: 'team', id: 'g2' }] }
    })
    expect((await admission.choose(found, may('model-g2'))).teamId).toBe('g1')
  })

  it('that do not exist are refused, made, or passed over, as configured', async () => {
    const one = { ...byUser, user_id_upsert: true, team_id_jwt_field: 'team' }
    expect(await refused(come(authenticator(one), { team: 'new' }))).toContain('None of the teams')
    clock.pass(10_000)
    expect((await come(authenticator({ ...one, team_id_upsert: true }), { team: 'new' })).teamId).toBe('new')
    await team('own')
    await provision(by => by.addToTeam('bob', 'own', 'hand'))
    await user('bob')
    const passed = authenticator({ ...one, team_claim_fallback: true })
    expect((await come(passed, { sub: 'bob', team: 'unknown' })).teamId).toBe('own')
  })

  it('are required where the configuration says so', async () => {
    await user('alice')
    expect(await refused(come(authenticator({ ...byUser, team_id_jwt_field: 'team' }), {}))).toContain('names no team')
    const enforced = authenticator({ ...byUser, team_ids_jwt_field: 'groups', enforce_team_based_model_access: true })
    expect(await refused(come(enforced, { jti: '2' }))).toContain('names no team')
    const own = authenticator({ ...byUser, team_id_jwt_field: 'team', fallback_to_db_teams: true })
    expect((await come(own, { jti: '3' })).teamId).toBeUndefined()
    await team('t')
    await provision(by => by.addToTeam('alice', 't', 'hand'))
    expect((await come(own, { jti: '3' })).teamId).toBe('t')
  })

  it('alone make the token that of a team', async () => {
    await team('t')
    const found = await come(authenticator({ team_id_jwt_field: 'client_id' }), { client_id: 't' })
    expect(found).toMatchObject({
      role: 'team',
      teamId: 't',
      userId: undefined,
      allowedRoutes: ['openai_routes', 'info_routes', 'mcp_routes'],
    })
  })

  it('by alias must be one', async () => {
    await team('t1')
    const by = authenticator({ ...byUser, user_id_upsert: true, team_alias_jwt_field: 'name' })
    expect((await come(by, { name: 'Team t1' })).teamId).toBe('t1')
    await provision(change => change.createTeam('t9', 'Team t1'))
    expect(await refused(come(by, { name: 'Team t1' }))).toContain('Several teams')
  })

  it('and roles are made equal when they are synchronised', async () => {
    for (const id of ['g1', 'g2', 'hand']) await team(id)
    await user('alice')
    await provision(by => by.addToTeam('alice', 'hand', 'hand'))
    const by = authenticator({
      ...fields,
      roles_jwt_field: 'roles',
      sync_user_role_and_teams: true,
      jwt_litellm_role_map: [{ jwt_role: 'boss', litellm_role: 'proxy_admin' }],
    })
    expect(await come(by, { groups: ['g1'], roles: ['boss'] })).toMatchObject({ role: 'proxy_admin', teamId: 'g1' })
    expect(await teamsOf('alice')).toEqual(['g1'])
    await come(by, { groups: ['g2', 'g1'], roles: [] })
    expect(await teamsOf('alice')).toEqual(['g1', 'g2'])
  })
})

describe('claims that stand for keys', () => {
  const fields = { ...byUser, user_id_upsert: true, virtual_key_claim_field: 'client' }
  const keys = () => world.plane.store.db.selectFrom('keys').selectAll().execute()

  it('lead to the key that is registered', async () => {
    const key = tokenOf(newKey())
    await world.plane.change(async trx => {
      const stamps = { created_at: 0, created_by: null, updated_at: 0, updated_by: null }
      const none = { budget_id: null, spend: 0, budget_reset_at: null, blocked: 0, agent_id: null, project_id: null }
      await trx
        .insertInto('keys')
        .values({
          ...none,
          token: key,
          key_name: 'sk-...x',
          key_alias: 'ci',
          user_id: null,
          team_id: null,
          organization_id: null,
          expires_at: null,
          rotates_at: null,
          last_active_at: null,
          settings: '{"models":["m"]}',
          ...stamps,
        })
        .execute()
      await trx
        .insertInto('jwt_key_mappings')
        .values({ id: '1', claim_name: 'client', claim_value: 'ci', token: key, active: 1, settings: '{}', ...stamps })
        .execute()
      return { result: undefined, audit: [], notices: [] }
    })
    const by = authenticator({ ...fields, unregistered_jwt_client_behavior: 'reject' })
    expect(await come(by, { client: 'ci' })).toMatchObject({
      proof: 'jwt',
      token: key,
      keyAlias: 'ci',
      expiresAt: (clock.seconds + 310) * 1000,
    })
    expect(await refused(come(by, { client: "ci' OR '1'='1" }))).toContain('No virtual key is registered')
    await world.plane.store.db.updateTable('keys').set({ blocked: 1 }).execute()
    admission.invalidate({ kind: 'key', id: key })
    expect(await refused(come(by, { client: 'ci' }))).toContain('key_blocked')
  })

  it('make a key of their own on the first call, once', async () => {
    const by = authenticator({ ...fields, unregistered_jwt_client_behavior: 'auto_register' })
    const found = await Promise.all([come(by, { client: 'a' }), come(by, { client: 'a', jti: '2' })])
    expect(new Set(found.map(who => who.token)).size).toBe(1)
    expect(await keys()).toHaveLength(1)
    expect((await keys())[0]).toMatchObject({ user_id: 'alice', token: found[0]!.token })
    await come(by, { scope: 'litellm_proxy_admin', client: 'root' })
    expect(await keys()).toHaveLength(1)
  })
})

describe('tokens', () => {
  it('are verified once, by the whole token, and not beyond their end', async () => {
    await user('alice')
    const by = authenticator(byUser)
    const one = await token({})
    const request = { method: 'GET', headers: {}, address: '', peer: '' }
    await by.authenticate(one, request)
    const broken = one.slice(0, -4) + (one.endsWith('AAAA') ? 'BBBB' : 'AAAA')
    expect(await refused(by.authenticate(broken, request))).toContain('signature')
    clock.pass(305_000)
    await by.authenticate(one, request)
    clock.pass(10_000)
    expect(await refused(by.authenticate(one, request))).toContain('expired_key')
  })

  it('that a withdrawn key verified are looked at again when the keys are', async () => {
    await user('alice')
    const by = authenticator({ ...byUser, public_key_ttl: 60 })
    const one = await token({ exp: clock.seconds + 3000 })
    const request = { method: 'GET', headers: {}, address: '', peer: '' }
    await by.authenticate(one, request)
    const another = await testIssuer('key-9')
    idp.handler = (_request, response) => json(response, { keys: [another.publicJwk] })
    await by.authenticate(one, request)
    clock.pass(61_000)
    expect(await refused(by.authenticate(one, request))).toContain('no key of its issuer')
  })

  it('pass the operator’s own check, which must say true', async () => {
    await user('alice')
    const check = (validate: unknown) => come(authenticator(byUser, { validate }), { tenant: 't' })
    expect((await check((claims: { tenant: string }) => claims.tenant === 't')).userId).toBe('alice')
    for (const validate of [
      () => false,
      () => 'true',
      () => undefined,
      () => Promise.resolve(1),
      () => {
        throw new Error('secret')
      },
    ]) {
      const reason = await refused(check(validate))
      expect(reason).toContain('custom_validate')
      expect(reason).not.toContain('secret')
    }
  })

  it('are let in from memory while the store is away, for a while', async () => {
    await user('alice')
    const by = authenticator(byUser)
    const one = await token({ exp: clock.seconds + 5000 })
    const request = { method: 'GET', headers: {}, address: '', peer: '' }
    await by.authenticate(one, request)
    await world.plane.store.close()
    clock.pass(61_000)
    expect((await by.authenticate(one, request))?.userId).toBe('alice')
    clock.pass(600_000)
    await expect(by.authenticate(one, request)).rejects.toBeInstanceOf(StoreUnavailable)
  })
})

describe('opaque tokens and the user-info endpoint', () => {
  it('are asked about once each: tokens that begin alike are two tokens (CVE-2026-35030)', async () => {
    await user('alice')
    await user('mallory')
    const start = 'opaque-token-that-begins-alike-'.repeat(8)
    idp.handler = (request, response) =>
      request.headers.authorization === `Bearer ${start}alice`
        ? json(response, { sub: 'alice' })
        : request.headers.authorization === `Bearer ${start}mallory`
          ? json(response, { sub: 'mallory' })
          : json(response, {}, 401)
    const by = authenticator({ ...byUser, oidc_userinfo_enabled: true, oidc_userinfo_endpoint: `${idp.url}/me` })
    const ask = (credential: string) =>
      by.authenticate(credential, { method: 'GET', headers: {}, address: '', peer: '' })
    expect(by.accepts(`${start}alice`)).toBe(true)
    expect(by.accepts('sk-1234')).toBe(false)
    expect((await ask(`${start}alice`))?.userId).toBe('alice')
    expect((await ask(`${start}mallory`))?.userId).toBe('mallory')
    expect((await ask(`${start}alice`))?.userId).toBe('alice')
    expect(idp.asked('/me')).toBe(2)
    expect(await refused(ask(start))).toContain('invalid_api_key')
    clock.pass(301_000)
    await ask(`${start}alice`)
    expect(idp.asked('/me')).toBe(4)
    idp.handler = (_request, response) => json(response, {}, 502)
    clock.pass(301_000)
    expect(await refused(ask(`${start}alice`))).toContain('identity_unavailable')
  })
})
