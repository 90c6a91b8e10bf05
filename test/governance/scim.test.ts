import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { done, newKey } from './setup.ts'

let upstream: Upstream
let gateway: Gateway
let token: string

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: { model_list: [deployment('m', upstream, 'm')] } })
  await done(gateway, 'POST', '/user/new', { user_id: 'provisioner', user_role: 'proxy_admin', auto_create_key: false })
  token = await newKey(gateway, { user_id: 'provisioner', allowed_routes: ['/scim/*'] })
})
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

const scim = (
  method: string,
  path: string,
  body?: Json,
  key = token,
  headers: Record<string, string> = {},
): Promise<StreamAnswer> =>
  send(`${gateway.url}/scim/v2${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/scim+json', ...headers },
    ...(body === undefined ? {} : { body }),
  })
const user = (userName: string, more: Json = {}): Json => ({
  schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
  userName,
  emails: [{ value: `${userName}@x.com`, primary: true }],
  active: true,
  ...more,
})
const patch = (...Operations: Json[]): Json => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations,
})

describe('SCIM', () => {
  it('is for administrators’ keys, which may be limited to it', async () => {
    expect((await scim('GET', '/Users')).status).toBe(200)
    expect((await scim('GET', '/Users', undefined, gateway.key)).status).toBe(200)
    expect((await send(`${gateway.url}/user/list`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(403)
    expect((await scim('GET', '/Users', undefined, 'sk-wrong')).status).toBe(401)
    expect((await scim('GET', '/Users', undefined, await newKey(gateway))).status).toBe(403)
    expect(
      (await scim('GET', '/Users', undefined, await newKey(gateway, { allowed_routes: ['/scim/*'] }))).status,
    ).toBe(403)
  })

  it('says what it can do', async () => {
    const provider = await scim('GET', '/ServiceProviderConfig')
    expect(provider.headers['content-type']).toContain('application/scim+json')
    expect(provider.json).toMatchObject({
      patch: { supported: true },
      bulk: { supported: false },
      filter: { supported: true, maxResults: 100 },
    })
    expect((await scim('GET', '/ResourceTypes')).json).toMatchObject({ totalResults: 2 })
    expect((await scim('GET', '/ResourceTypes/User')).json).toMatchObject({ endpoint: '/Users' })
    expect((await scim('GET', '/Schemas')).json).toMatchObject({ totalResults: 2 })
    expect((await scim('GET', '/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group')).json).toMatchObject({
      name: 'Group',
    })
    expect((await scim('GET', '/Schemas/other')).json).toMatchObject({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: '404',
    })
  })

  it('makes, finds, changes and removes a user', async () => {
    const made = await scim(
      'POST',
      '/Users',
      user('alice', { externalId: 'okta|alice', name: { givenName: 'A', familyName: 'L' } }),
    )
    expect(made.status, made.text).toBe(201)
    expect(made.headers).toMatchObject({
      location: `${gateway.url}/scim/v2/Users/alice`,
      etag: expect.stringMatching(/^W\//),
    })
    expect(made.json).toMatchObject({ id: 'alice', userName: 'alice', active: true, externalId: 'okta|alice' })
    expect((await scim('POST', '/Users', user('alice'))).json).toMatchObject({ status: '409', scimType: 'uniqueness' })
    expect((await scim('GET', `/Users?filter=${encodeURIComponent('userName eq "ALICE"')}`)).json).toMatchObject({
      totalResults: 1,
      Resources: [{ id: 'alice' }],
    })
    expect((await scim('GET', `/Users?filter=${encodeURIComponent('externalId eq "okta|alice"')}`)).json).toMatchObject(
      { totalResults: 1 },
    )
    expect((await scim('GET', `/Users?filter=${encodeURIComponent("userName eq 'x'")}`)).json).toMatchObject({
      status: '400',
      scimType: 'invalidFilter',
    })
    const changed = await scim('PATCH', '/Users/alice', patch({ op: 'Replace', path: 'displayName', value: 'Alice' }))
    expect(changed.json).toMatchObject({ displayName: 'Alice', name: { givenName: 'A' } })
    expect((await scim('PUT', '/Users/alice', user('alice'), token, { 'if-match': 'W/"old"' })).status).toBe(412)
    expect(
      (await scim('PUT', '/Users/alice', user('alice'), token, { 'if-match': String(changed.headers.etag) })).status,
    ).toBe(200)
    expect((await scim('DELETE', '/Users/alice')).status).toBe(204)
    expect((await scim('GET', '/Users/alice')).json).toMatchObject({ status: '404' })
  })

  it('takes a user’s access away at once, and gives it back', async () => {
    await scim('POST', '/Users', user('bob'))
    const key = await newKey(gateway, { user_id: 'bob' })
    const ask = async () => (await chat({ url: gateway.url, key }, 'm', 'hi')).status
    expect(await ask()).toBe(200)
    await scim('PATCH', '/Users/bob', patch({ op: 'replace', value: { active: false } }))
    expect(await ask()).toBe(401)
    await scim('PATCH', '/Users/bob', patch({ op: 'Replace', path: 'active', value: 'True' }))
    expect(await ask()).toBe(200)
    await scim('DELETE', '/Users/bob')
    expect(await ask()).toBe(401)
    const { entries } = { entries: JSON.stringify(await done(gateway, 'GET', '/audit?page_size=100')) }
    expect(entries).toContain('provisioner')
  })

  it('keeps groups as teams, with members', async () => {
    for (const name of ['u1', 'u2']) await scim('POST', '/Users', user(name))
    const made = await scim('POST', '/Groups', {
      displayName: 'Engineering',
      externalId: 'g-1',
      members: [{ value: 'u1' }],
    })
    expect([made.status, made.json]).toMatchObject([201, { id: 'g-1', displayName: 'Engineering' }])
    const info = await done(gateway, 'GET', '/team/info?team_id=g-1')
    expect(JSON.stringify(info)).toContain('Engineering')
    await scim(
      'PATCH',
      '/Groups/g-1',
      patch({ op: 'add', path: 'members', value: [{ value: 'u2' }] }, { op: 'remove', path: 'members[value eq "u1"]' }),
    )
    expect((await scim('GET', '/Groups/g-1')).json).toMatchObject({ members: [{ value: 'u2' }] })
    expect((await scim('GET', '/Users/u2')).json).toMatchObject({ groups: [{ value: 'g-1', display: 'Engineering' }] })
    expect((await scim('GET', '/Groups?excludedAttributes=members')).json!['Resources']).toMatchObject([{ id: 'g-1' }])
    expect((await scim('DELETE', '/Groups/g-1')).status).toBe(204)
    expect((await scim('GET', '/Groups')).json).toMatchObject({ totalResults: 0, Resources: [] })
  })

  it('refuses hostile input in its own form', async () => {
    for (const [method, path, body] of [
      ['POST', '/Users', {}],
      ['POST', '/Groups', { displayName: '' }],
      ['PATCH', '/Users/u1', { Operations: 'x' }],
      ['PATCH', '/Users/u1', { Operations: [{ op: 'replace', path: '__proto__.x', value: 1 }] }],
      ['PATCH', '/Users/u1', { Operations: [{ op: 'replace', path: 'id', value: 'root' }] }],
      ['GET', `/Users?filter=${encodeURIComponent('('.repeat(500))}`, undefined],
      ['GET', '/Users?count=x', undefined],
    ] as const) {
      const answer = await scim(method, path, body as Json | undefined)
      expect([answer.status, answer.json], `${method} ${path}`).toMatchObject([
        400,
        { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: '400' },
      ])
    }
    const sql = encodeURIComponent(`userName eq "' OR 1=1; DROP TABLE users; --"`)
    expect((await scim('GET', `/Users?filter=${sql}`)).json).toMatchObject({ totalResults: 0 })
    expect((await scim('GET', '/Users')).status).toBe(200)
  })
})
