import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeyRow } from '../../../platform/store/tables.ts'
import { newcomers, openPlane, TestClock, type TestPlane } from '../authentication.fixtures.ts'
import { SessionStore } from '../login/session-store.ts'
import { ScimGroups } from './groups.ts'
import type { Resource } from './patch.ts'
import { ScimError } from './scim-error.ts'
import type { ScimCall, ScimServices } from './scim-services.ts'
import { ScimUsers } from './users.ts'

let clock: TestClock
let world: TestPlane
let options: { upsert: boolean; admins: string | undefined }
let users: ScimUsers
let groups: ScimGroups

beforeEach(async () => {
  clock = new TestClock()
  world = await openPlane(clock)
  options = { upsert: true, admins: undefined }
  const services: ScimServices = {
    plane: world.plane,
    clock,
    newcomers: () => newcomers,
    upsertUsers: () => options.upsert,
    adminGroup: () => options.admins,
  }
  users = new ScimUsers(services)
  groups = new ScimGroups(services)
})
afterEach(() => world.close())

const base = 'https://gateway.example/scim/v2'
const call: ScimCall = { actor: { name: 'scim', token: undefined, address: undefined }, base, ifMatch: undefined }

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ScimError)
  return `${(error as ScimError).status} ${(error as ScimError).scimType ?? ''} ${(error as ScimError).message}`
}
const list = (of: ScimUsers | ScimGroups, query: object = {}) =>
  of.list(query, call) as Promise<{
    totalResults: number
    itemsPerPage: number
    startIndex: number
    Resources: Resource[]
  }>
const ids = async (of: ScimUsers | ScimGroups, filter: string): Promise<unknown[]> =>
  (await list(of, { filter })).Resources.map(resource => resource['id'])

const alice = {
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
  userName: 'alice@x.com',
  externalId: 'okta|1',
  name: { givenName: 'Alice', familyName: 'Doe' },
  emails: [{ value: 'other@x.com' }, { value: 'alice@x.com', primary: true, type: 'work' }],
  active: true,
}
const key = (token: string, more: Partial<KeyRow> = {}): KeyRow => ({
  token,
  key_name: 'sk-...x',
  key_alias: null,
  user_id: 'alice@x.com',
  team_id: null,
  organization_id: null,
  project_id: null,
  agent_id: null,
  budget_id: null,
  spend: 0,
  budget_reset_at: null,
  expires_at: null,
  blocked: 0,
  rotates_at: null,
  last_active_at: null,
  settings: '{"rpm_limit":5}',
  created_at: 0,
  created_by: null,
  updated_at: 0,
  updated_by: null,
  ...more,
})
const insertKeys = (...rows: KeyRow[]) => world.plane.store.db.insertInto('keys').values(rows).execute()
const keys = () =>
  world.plane.store.db.selectFrom('keys').select(['token', 'blocked', 'settings']).orderBy('token').execute()

describe('users', () => {
  it('are made, and read as they were sent', async () => {
    const made = await users.create(alice, call)
    expect(made).toMatchObject({
      id: 'alice@x.com',
      userName: 'alice@x.com',
      externalId: 'okta|1',
      name: { givenName: 'Alice', familyName: 'Doe' },
      emails: [{ value: 'alice@x.com', primary: true }],
      active: true,
      groups: [],
      meta: { resourceType: 'User', location: `${base}/Users/alice%40x.com`, version: expect.stringMatching(/^W\//) },
    })
    expect(await users.get('alice@x.com', {}, call)).toEqual(made)
    const row = await world.plane.store.db.selectFrom('users').selectAll().executeTakeFirstOrThrow()
    expect(row).toMatchObject({
      user_email: 'alice@x.com',
      sso_user_id: 'okta|1',
      user_role: 'internal_user_viewer',
      password_hash: null,
    })
    expect(await refused(users.get('nobody', {}, call))).toContain('404')
  })

  it('are unique', async () => {
    await users.create(alice, call)
    for (const other of [
      alice,
      { userName: 'b', externalId: 'okta|1' },
      { userName: 'b', emails: [{ value: 'ALICE@x.com' }] },
    ]) {
      expect(await refused(users.create(other, call))).toContain('409 uniqueness')
    }
    await users.create({ userName: 'bob' }, call)
    expect(await refused(users.replace('bob', { ...alice }, call))).toContain('409 uniqueness')
  })

  it('need valid fields', async () => {
    for (const body of [
      {},
      { userName: '' },
      { userName: 7 },
      { userName: 'x'.repeat(600) },
      { userName: 'x', active: 'maybe' },
      { userName: 'x', emails: 'x' },
      null,
    ]) {
      expect(await refused(users.create(body, call)), JSON.stringify(body)).toContain('400 invalidValue')
    }
  })

  it('that are deactivated lose their keys and sessions, and get those keys back that this took', async () => {
    await users.create(alice, call)
    await insertKeys(key('a'), key('b', { blocked: 1 }), key('c', { user_id: 'bob' }))
    const sessions = new SessionStore(world.plane, clock, { absolute: 1e6, idle: 1e6, cli: 1e6 })
    const { session } = await sessions.begin({
      userId: 'alice@x.com',
      kind: 'browser',
      method: 'sso',
      address: undefined,
    })
    const notices: unknown[] = []
    world.plane.onNotice(notice => notices.push(notice))
    const off = { Operations: [{ op: 'Replace', path: 'active', value: 'False' }] }
    expect(await users.patch('alice@x.com', off, call)).toMatchObject({ active: false })
    expect((await keys()).map(row => row.blocked)).toEqual([1, 1, 0])
    expect(await sessions.find(session.token)).toBeUndefined()
    expect(notices).toEqual(
      expect.arrayContaining([
        { kind: 'key', id: 'a' },
        { kind: 'user', id: 'alice@x.com' },
        { kind: 'key', id: session.token },
      ]),
    )
    expect(
      await users.patch('alice@x.com', { Operations: [{ op: 'replace', value: { active: true } }] }, call),
    ).toMatchObject({ active: true })
    expect(await keys()).toMatchObject([{ blocked: 0, settings: '{"rpm_limit":5}' }, { blocked: 1 }, { blocked: 0 }])
  })

  it('created inactive are blocked from the start', async () => {
    await users.create({ ...alice, active: false }, call)
    expect((await world.plane.store.db.selectFrom('users').select('blocked').executeTakeFirstOrThrow()).blocked).toBe(1)
  })

  it('are replaced, and keep what SCIM does not speak of', async () => {
    await users.create(alice, call)
    await world.plane.store.db
      .updateTable('users')
      .set({ user_role: 'proxy_admin', password_hash: 'h', settings: '{"max_budget":5,"metadata":{"x":1}}' })
      .execute()
    await users.replace('alice@x.com', { ...alice, userName: 'alice2@x.com', emails: [{ value: 'new@x.com' }] }, call)
    const row = await world.plane.store.db.selectFrom('users').selectAll().executeTakeFirstOrThrow()
    expect(row).toMatchObject({
      user_id: 'alice@x.com',
      user_email: 'new@x.com',
      user_role: 'proxy_admin',
      password_hash: 'h',
    })
    expect(JSON.parse(row.settings)).toMatchObject({
      max_budget: 5,
      metadata: { x: 1, scim_user_name: 'alice2@x.com' },
    })
    expect(await ids(users, 'userName eq "ALICE2@x.com"')).toEqual(['alice@x.com'])
  })

  it('that are deleted are gone with everything that opens doors', async () => {
    await users.create(alice, call)
    await groups.create({ displayName: 'G', members: [{ value: 'alice@x.com' }] }, call)
    await insertKeys(key('a'), key('c', { user_id: 'bob' }))
    await users.delete('alice@x.com', call)
    const { db } = world.plane.store
    expect((await keys()).map(row => row.token)).toEqual(['c'])
    expect(await db.selectFrom('users').selectAll().execute()).toEqual([])
    expect(await db.selectFrom('team_members').selectAll().execute()).toEqual([])
    expect(await db.selectFrom('deleted_objects').select(['kind', 'object_id']).orderBy('kind').execute()).toEqual([
      { kind: 'key', object_id: 'a' },
      { kind: 'user', object_id: 'alice@x.com' },
    ])
    expect(await refused(users.delete('alice@x.com', call))).toContain('404')
  })

  it('are listed in pages, and found by filters', async () => {
    for (let index = 0; index < 25; index++) {
      await users.create(
        {
          userName: `user-${String(index).padStart(2, '0')}`,
          emails: [{ value: `u${index}@x.com` }],
          active: index % 5 !== 0,
        },
        call,
      )
    }
    expect(await list(users, { startIndex: '11', count: '10' })).toMatchObject({
      totalResults: 25,
      itemsPerPage: 10,
      startIndex: 11,
      Resources: expect.arrayContaining([expect.objectContaining({ id: 'user-10' })]),
    })
    expect(await list(users, { count: '0' })).toMatchObject({ totalResults: 25, itemsPerPage: 0, Resources: [] })
    expect(await ids(users, 'userName eq "USER-07"')).toEqual(['user-07'])
    expect(await ids(users, 'emails.value eq "U3@x.com"')).toEqual(['user-03'])
    expect(await ids(users, 'emails[value eq "u4@x.com"]')).toEqual(['user-04'])
    expect(await ids(users, 'active eq false and userName ge "user-10"')).toEqual(['user-10', 'user-15', 'user-20'])
    expect(await list(users, { filter: 'active eq true', startIndex: '5', count: '2' })).toMatchObject({
      totalResults: 20,
      itemsPerPage: 2,
      Resources: [{ id: 'user-06' }, { id: 'user-07' }],
    })
    for (const filter of ['userName eq "\' OR 1=1 --"', 'id eq "%"', 'userName eq "user%"', 'externalId eq "_"'])
      expect(await ids(users, filter)).toEqual([])
    expect(await refused(list(users, { filter: 'userName like "x"' }))).toContain('400 invalidFilter')
  })

  it('are changed only in the version that was read, when that is asked for', async () => {
    const made = await users.create(alice, call)
    const { version } = made['meta'] as { version: string }
    clock.pass(5)
    await users.replace('alice@x.com', { ...alice, displayName: 'A' }, { ...call, ifMatch: version })
    for (const work of [
      users.replace('alice@x.com', alice, { ...call, ifMatch: version }),
      users.delete('alice@x.com', { ...call, ifMatch: version }),
    ]) {
      expect(await refused(work)).toContain('412')
    }
    await users.replace('alice@x.com', alice, { ...call, ifMatch: '*' })
  })
})

describe('groups', () => {
  it('are teams, with their members', async () => {
    await users.create(alice, call)
    const made = await groups.create(
      { displayName: 'Engineering', externalId: 'aad-1', members: [{ value: 'alice@x.com' }] },
      call,
    )
    expect(made).toMatchObject({
      id: 'aad-1',
      displayName: 'Engineering',
      externalId: 'aad-1',
      members: [{ value: 'alice@x.com', display: 'alice@x.com' }],
    })
    expect(await users.get('alice@x.com', {}, call)).toMatchObject({
      groups: [{ value: 'aad-1', display: 'Engineering' }],
    })
    expect(await ids(groups, 'displayName eq "engineering"')).toEqual(['aad-1'])
    expect(await ids(groups, 'members.value eq "alice@x.com"')).toEqual(['aad-1'])
    expect((await list(groups, { excludedAttributes: 'members' })).Resources[0]).not.toHaveProperty('members')
    expect(await refused(groups.create({ displayName: 'Engineering' }, call))).toContain('409 uniqueness')
  })

  it('gain and lose members by PATCH, and keep what the team has else', async () => {
    for (const name of ['u1', 'u2', 'u3']) await users.create({ userName: name }, call)
    const { id } = await groups.create({ displayName: 'G', members: [{ value: 'u1' }] }, call)
    await world.plane.store.db.updateTable('teams').set({ settings: '{"models":["m"],"metadata":{"x":1}}' }).execute()
    await world.plane.store.db.updateTable('team_members').set({ role: 'admin', spend: 7 }).execute()
    const members = async (...Operations: object[]) =>
      ((await groups.patch(String(id), { Operations }, call))['members'] as { value: string }[]).map(
        member => member.value,
      )
    expect(await members({ op: 'add', path: 'members', value: [{ value: 'u2' }, { value: 'u3' }] })).toEqual([
      'u1',
      'u2',
      'u3',
    ])
    expect(await members({ op: 'remove', path: 'members[value eq "u2"]' })).toEqual(['u1', 'u3'])
    expect(await members({ op: 'replace', value: { displayName: 'H' } })).toEqual(['u1', 'u3'])
    const team = await world.plane.store.db.selectFrom('teams').selectAll().executeTakeFirstOrThrow()
    expect(team).toMatchObject({ team_alias: 'H', settings: expect.stringContaining('"models":["m"]') })
    const kept = await world.plane.store.db
      .selectFrom('team_members')
      .selectAll()
      .where('user_id', '=', 'u1')
      .executeTakeFirstOrThrow()
    expect(kept).toMatchObject({ role: 'admin', spend: 7 })
    expect(await members({ op: 'replace', path: 'members', value: [] })).toEqual([])
  })

  it('make members that do not exist, or refuse them', async () => {
    await groups.create({ displayName: 'G', members: [{ value: 'new@x.com' }] }, call)
    expect(await users.get('new@x.com', {}, call)).toMatchObject({
      userName: 'new@x.com',
      emails: [{ value: 'new@x.com' }],
    })
    options.upsert = false
    expect(await refused(groups.create({ displayName: 'H', members: [{ value: 'nobody' }] }, call))).toContain(
      'scim_upsert_user',
    )
    expect(await ids(groups, 'displayName eq "H"')).toEqual([])
  })

  it('of administrators make some, and unmake them', async () => {
    options.admins = 'Admins'
    const role = async () =>
      (
        await world.plane.store.db
          .selectFrom('users')
          .select('user_role')
          .where('user_id', '=', 'u1')
          .executeTakeFirstOrThrow()
      ).user_role
    await users.create({ userName: 'u1' }, call)
    const { id } = await groups.create({ displayName: 'Admins', members: [{ value: 'u1' }] }, call)
    expect(await role()).toBe('proxy_admin')
    await groups.patch(String(id), { Operations: [{ op: 'replace', path: 'displayName', value: 'Others' }] }, call)
    expect(await role()).toBe('internal_user_viewer')
    await groups.patch(String(id), { Operations: [{ op: 'replace', path: 'displayName', value: 'Admins' }] }, call)
    expect(await role()).toBe('proxy_admin')
    await groups.delete(String(id), call)
    expect(await role()).toBe('internal_user_viewer')
  })

  it('that are deleted take their keys along', async () => {
    const { id } = await groups.create({ displayName: 'G' }, call)
    await insertKeys(key('a', { team_id: String(id) }), key('b'))
    await groups.delete(String(id), call)
    expect((await keys()).map(row => row.token)).toEqual(['b'])
    expect(await refused(groups.get(String(id), {}, call))).toContain('404')
    expect(world.audit.filter(event => event.action === 'deleted').map(event => event.objectKind)).toEqual([
      'key',
      'team',
    ])
  })
})
