import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../control/setup.ts'
import type { StreamAnswer } from '../harness/http.ts'
import type { Json } from '../upstream/types.ts'
import { type Aimed, publicRoutes, reachingForForeign, reachingForModels, type Tenant } from './matrix-requests.ts'
import { newTenant, type Operation, perform, secretsOf, startWorld, stateOf, type World } from './matrix-world.ts'
import { api, done, newKey } from './setup.ts'

let world: World
/** Headers by kind of caller. */
const callers = {} as Record<
  | 'anonymous'
  | 'wrong'
  | 'inference'
  | 'user'
  | 'userViewer'
  | 'adminViewer'
  | 'orgAdmin'
  | 'teamAdmin'
  | 'member'
  | 'narrow'
  | 'expired'
  | 'blockedKey'
  | 'blockedTeam'
  | 'blockedUser'
  | 'blockedProject',
  Record<string, string>
>
let member: Tenant

const bearer = (key: unknown): Record<string, string> => ({ authorization: `Bearer ${key}` })

beforeAll(async () => {
  world = await startWorld()
  const { gateway } = world
  const make = (path: string, body: Json) => done(gateway, 'POST', path, body)
  const person = async (id: string, fields: Json = {}) =>
    bearer((await make('/user/new', { user_id: id, ...fields }))['key'])
  callers.anonymous = {}
  callers.wrong = bearer('sk-nobody-has-this-one')
  callers.inference = bearer(await newKey(gateway, { key_type: 'llm_api' }))
  callers.user = await person('m-user')
  // Whom administrators put into organizations.
  await person('m-joiner')
  callers.userViewer = await person('m-user-viewer', { user_role: 'internal_user_viewer' })
  callers.adminViewer = await person('m-admin-viewer', { user_role: 'proxy_admin_viewer' })
  callers.orgAdmin = await person('m-org-admin')
  callers.teamAdmin = await person('m-team-admin')
  callers.narrow = bearer(await newKey(gateway, { models: ['small'] }))
  await make('/organization/new', { organization_id: 'm-own-org', organization_alias: 'own' })
  await make('/organization/member_add', {
    organization_id: 'm-own-org',
    member: { user_id: 'm-org-admin', role: 'org_admin' },
  })
  await make('/team/new', { team_id: 'm-own-team', members_with_roles: [{ role: 'admin', user_id: 'm-team-admin' }] })
  callers.member = await person('m-member')
  member = await newTenant(gateway, 'membered')
  await make('/team/member_add', { team_id: member.team, member: { user_id: 'm-member', role: 'user' } })

  const expired = await newKey(gateway, { duration: '1s' })
  callers.expired = bearer(expired)
  callers.blockedKey = bearer(await newKey(gateway, { blocked: true }))
  await make('/team/new', { team_id: 'm-blocked-team' })
  callers.blockedTeam = bearer(await newKey(gateway, { team_id: 'm-blocked-team' }))
  await make('/team/block', { team_id: 'm-blocked-team' })
  callers.blockedUser = await person('m-blocked-user', { user_role: 'proxy_admin' })
  await make('/user/update', { user_id: 'm-blocked-user', blocked: true })
  await make('/team/new', { team_id: 'm-project-team' })
  await make('/project/new', { project_id: 'm-blocked-project', team_id: 'm-project-team' })
  callers.blockedProject = bearer(await newKey(gateway, { team_id: 'm-project-team', project_id: 'm-blocked-project' }))
  await make('/project/update', { project_id: 'm-blocked-project', blocked: true })
  await eventually(async () =>
    (await api(gateway, 'GET', '/v1/models', undefined, expired)).status === 401 ? true : undefined,
  )
})
afterAll(() => world.close())

const of = (...permissions: Operation['permission'][]) =>
  world.operations.filter(operation => permissions.includes(operation.permission))
const bare = (operation: Operation, headers: Record<string, string>): Promise<StreamAnswer> =>
  perform(world.gateway, operation, operation.method === 'GET' ? {} : { body: {} }, headers)
/** Statuses of many operations that are not as they should be. */
async function misfits(
  operations: readonly Operation[],
  caller: keyof typeof callers,
  fits: (status: number) => boolean,
): Promise<string[]> {
  const found: string[] = []
  for (const operation of operations) {
    const { status } = await bare(operation, callers[caller])
    if (!fits(status)) found.push(`${caller} ${operation.name}: ${status}`)
  }
  return found
}
const is = (expected: number) => (status: number) => status === expected
/** Let through to the route itself, whatever it makes of an empty request. */
const reached = (status: number): boolean => status !== 401 && status !== 403

describe('every route', () => {
  it('is in the description, says who may use it, and is open to everybody only where that is meant', () => {
    expect(world.operations.length).toBeGreaterThan(200)
    expect(
      of('public')
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...publicRoutes].sort())
    for (const { name, permission, groups } of world.operations) {
      expect(['public', 'llm', 'self', 'viewer', 'admin'], name).toContain(permission)
      expect(groups.length, name).toBeGreaterThan(0)
    }
  })

  it.each(['anonymous', 'wrong', 'expired', 'blockedKey', 'blockedTeam', 'blockedUser', 'blockedProject'] as const)(
    'refuses a caller that is %s with 401',
    async caller => {
      expect(await misfits(of('llm', 'self', 'viewer', 'admin'), caller, is(401))).toEqual([])
    },
  )

  it('but those for calls refuses a key that is for calls only', async () => {
    expect(await misfits(of('self', 'viewer', 'admin'), 'inference', is(403))).toEqual([])
    const [calls, others] = [true, false].map(wanted =>
      of('llm').filter(({ groups }) => groups.includes('llm_api_routes') === wanted),
    )
    expect(await misfits(calls!, 'inference', reached)).toEqual([])
    expect(await misfits(others!, 'inference', is(403))).toEqual([])
  })

  it('of administrators refuses everybody else, and lets their viewers read', async () => {
    for (const caller of ['user', 'userViewer', 'orgAdmin', 'teamAdmin', 'member', 'narrow'] as const) {
      expect(await misfits(of('viewer', 'admin'), caller, is(403))).toEqual([])
    }
    expect(await misfits(of('admin'), 'adminViewer', is(403))).toEqual([])
    expect(await misfits(of('viewer'), 'adminViewer', reached)).toEqual([])
  })

  it('that changes something refuses viewers', async () => {
    const readsByPost = [
      'POST /v2/key/info',
      'POST /organization/info',
      'POST /cost/estimate',
      'POST /spend/calculate',
      'POST /key/health',
    ]
    const writes = of('self').filter(({ method, name }) => method !== 'GET' && !readsByPost.includes(name))
    expect(writes.length).toBeGreaterThan(35)
    for (const caller of ['userViewer', 'adminViewer'] as const) {
      expect(await misfits(writes, caller, is(403))).toEqual([])
    }
    // The ones left out do change nothing, or viewers could not use them.
    const others = of('self').filter(({ name }) => readsByPost.includes(name))
    expect(others).toHaveLength(readsByPost.length)
    expect(await misfits(others, 'adminViewer', reached)).toEqual([])
  })
})

describe('an object of another tenant', () => {
  const outsiders = ['user', 'userViewer', 'orgAdmin', 'teamAdmin'] as const
  let serial = 0

  it('has a request aimed at it, for every route that could reach one', () => {
    expect(
      of('self')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(Object.keys(reachingForForeign).sort())
    expect(
      of('llm')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(Object.keys(reachingForModels).sort())
  })

  it('is neither seen nor changed by any of them; the same request of an administrator works', {
    timeout: 240_000,
  }, async () => {
    const found: string[] = []
    const mute: string[] = []
    const { gateway } = world
    const readers = await newTenant(gateway, 'tenant-read')
    for (const operation of of('self')) {
      const aim = reachingForForeign[operation.name]!
      const read = operation.method === 'GET'
      const t = read ? readers : await newTenant(gateway, `tenant-${++serial}`)
      const aimed = aim(t)
      const before = read ? undefined : JSON.stringify(await stateOf(gateway, t))
      for (const caller of outsiders) {
        const answer = await perform(gateway, operation, aimed, callers[caller])
        found.push(...leaks(`${caller} ${operation.name}`, answer, aimed, t))
      }
      if (!read && JSON.stringify(await stateOf(gateway, t)) !== before)
        found.push(`${operation.name}: changed something`)
      const proof = await perform(gateway, operation, aimed, bearer(gateway.key))
      if (read && !tellsOf(proof.text, t)) mute.push(operation.name)
      // What is refused must be refused for whose it is, not for how it is written.
      if (
        proof.status >= 300 &&
        operation.name !== 'GET /team/{team_id}/members/me' &&
        operation.name !== 'DELETE /organization/delete'
      )
        found.push(`administrator ${operation.name}: ${proof.status} ${proof.text}`)
    }
    expect(found).toEqual([])
    // Everywhere else an administrator's answer to the same request does tell of the tenant.
    expect(mute.sort()).toEqual(tellNothing)
  })

  it('is not changed by a member of the team whom the team lets do nothing', { timeout: 120_000 }, async () => {
    const { gateway } = world
    const found: string[] = []
    const before = JSON.stringify(await stateOf(gateway, member))
    for (const operation of of('self')) {
      if (operation.method === 'GET') continue
      const aimed = reachingForForeign[operation.name]!(member)
      const answer = await perform(gateway, operation, aimed, callers.member)
      if (aimed.outsider !== 'nothing' && answer.status !== 403 && answer.status !== 404)
        found.push(`${operation.name}: ${answer.status} ${answer.text.slice(0, 200)}`)
    }
    expect(found).toEqual([])
    expect(JSON.stringify(await stateOf(gateway, member))).toBe(before)
    // It sees the team, and of the keys in it only its own: none.
    const keys = await api(gateway, 'GET', `/key/info?key=${member.teamKey}`, undefined, keyOf(callers.member))
    expect(keys.status).toBe(404)
  })

  it('may be a model, or a call: keys without the right get at neither', async () => {
    const { gateway } = world
    const t = await newTenant(gateway, 'tenant-models')
    const found: string[] = []
    for (const operation of of('llm')) {
      const aimed = reachingForModels[operation.name]!(t)
      const answer = await perform(gateway, operation, aimed, callers.narrow)
      if (aimed.outsider === 'nothing') {
        if (answer.status === 200 && answer.text.includes('large')) found.push(`${operation.name}: shows the model`)
      } else if (answer.status !== 403 && answer.status !== 404)
        found.push(`${operation.name}: ${answer.status} ${answer.text.slice(0, 200)}`)
      if (operation.path.includes('/explain/')) continue
      const proof = await perform(gateway, operation, aimed, bearer(gateway.key))
      if (proof.status !== 200) found.push(`administrator ${operation.name}: ${proof.status} ${proof.text}`)
    }
    expect(found).toEqual([])
  })
})

const keyOf = (headers: Record<string, string>): string => String(headers['authorization']).slice(7)

/** Reads that have nothing of a tenant in them, for anybody. */
const tellNothing: string[] = [
  'GET /team/available',
  // Echoes the id that was asked for.
  'GET /team/permissions_list',
  // An administrator is a member of no team.
  'GET /team/{team_id}/members/me',
  'GET /user/available_roles',
  'GET /v1/routeiq/session',
]

/** Sums that are no spending. */
const priceOfNothing = new Set(['POST /cost/estimate', 'POST /spend/calculate'])

const spent = /"(?:[a-z_]*spend|cost|[a-z_]*api_requests|[a-z_]*total_tokens)":\s*"?0*\.?0*[1-9]/

const tellsOf = (text: string, t: Tenant): boolean =>
  spent.test(text) ||
  [...secretsOf(t), t.key, t.teamKey, t.customer, t.tag, t.agent, t.organization].some(word => text.includes(word))

function leaks(name: string, answer: StreamAnswer, aimed: Aimed, t: Tenant): string[] {
  const found: string[] = []
  const { status, text } = answer
  if (status >= 500) found.push(`${name}: ${status} ${text}`)
  if ((aimed.outsider ?? 'refused') === 'refused' && status !== 403 && status !== 404)
    found.push(`${name}: ${status} ${text}`)
  // None of them has called anything: whatever is summed up is somebody else's.
  const sum = spent.exec(text)
  if (sum !== null && !priceOfNothing.has(name.slice(name.indexOf(' ') + 1))) found.push(`${name}: tells ${sum[0]}`)
  const request = JSON.stringify(aimed)
  const words = [
    ...secretsOf(t),
    t.key,
    t.teamKey,
    t.call,
    t.customer,
    t.tag,
    t.agent,
    t.project,
    t.user,
    t.organization,
  ]
  for (const word of words) {
    if (!request.includes(word) && text.includes(word)) found.push(`${name}: tells ${word}`)
  }
  return found
}
