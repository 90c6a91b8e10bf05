import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import { isJson, type Json } from '../upstream/types.ts'
import type { Aimed, Tenant } from './matrix-requests.ts'
import { api, done } from './setup.ts'

/** One operation of the running gateway, as its own description lists it. */
export interface Operation {
  /** `GET /key/info` */
  readonly name: string
  readonly method: string
  readonly path: string
  readonly permission: 'public' | 'llm' | 'self' | 'viewer' | 'admin'
  readonly groups: readonly string[]
}

export interface World {
  readonly gateway: Gateway
  readonly operations: readonly Operation[]
  close(): Promise<void>
}

/** So that what is spent shows. */
const prices = { input_cost_per_token: 0.001, output_cost_per_token: 0.001 }

export async function startWorld(): Promise<World> {
  const upstream: Upstream = await startUpstream()
  const gateway = await startGateway({
    config: { model_list: ['small', 'large'].map(name => deployment(name, upstream, name, prices)) },
  })
  return {
    gateway,
    operations: await operationsOf(gateway),
    async close() {
      await gateway.stop()
      await upstream.close()
    },
  }
}

/** The whole route table: `/openapi.json` is made from it. */
async function operationsOf(gateway: Gateway): Promise<Operation[]> {
  const document = (await send(`${gateway.url}/openapi.json`)).json as Json
  return Object.entries(document['paths'] as Json).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      permission: (operation as Json)['x-permission'] as Operation['permission'],
      groups: (operation as Json)['x-route-groups'] as string[],
    })),
  )
}

export const tokenOf = (key: string): string => createHash('sha256').update(key).digest('hex')

/** Words that are only in this tenant's objects; none is ever part of a request. */
export const secretsOf = (t: Tenant): readonly string[] => [
  ...['org', 'team', 'user', 'key', 'project'].map(kind => `${t.team}-${kind}-word`),
]

/** A tenant with one of everything, and a call in the books. */
export async function newTenant(gateway: Gateway, name: string): Promise<Tenant> {
  const word = (kind: string): string => `${name}-${kind}-word`
  const organization = `${name}-org-id`
  const make = (path: string, body: Json) => done(gateway, 'POST', path, body)
  await make('/organization/new', { organization_id: organization, organization_alias: word('org') })
  const person = async (id: string): Promise<string> =>
    String((await make('/user/new', { user_id: id, user_alias: word('user'), organizations: [organization] }))['key'])
  const user = `${name}-user-id`
  const other = `${name}-other-id`
  await person(user)
  await person(other)
  await make('/team/new', {
    team_id: name,
    team_alias: word('team'),
    organization_id: organization,
    models: ['small', 'large'],
    members_with_roles: [
      { role: 'admin', user_id: user },
      { role: 'user', user_id: other },
    ],
  })
  const key = await make('/key/generate', { user_id: user, key_alias: word('key'), metadata: { note: word('key') } })
  const teamKey = await make('/key/generate', { team_id: name, user_id: other, metadata: { note: word('key') } })
  const project = `${name}-project-id`
  await make('/project/new', { project_id: project, team_id: name, project_alias: word('project') })
  const customer = `${name}-customer-id`
  const tag = `${name}-tag-id`
  const session = `${name}-session-id`
  const agent = `${name}-agent-id`
  const ask = async (bearer: unknown): Promise<string> => {
    const fields = { user: customer, metadata: { tags: [tag] }, litellm_session_id: session }
    const headers = { 'x-litellm-agent-id': agent }
    const answer = await chat({ url: gateway.url, key: String(bearer) }, 'large', 'hi', fields, { headers })
    expect(answer.status, answer.text).toBe(200)
    return String(answer.headers['x-litellm-call-id'])
  }
  const ofTeam = await ask(teamKey['key'])
  const call = await ask(key['key'])
  await eventually(async () => {
    const found = await Promise.all(
      [call, ofTeam].map(async id => (await api(gateway, 'GET', `/spend/logs?request_id=${id}`)).json as unknown),
    )
    return found.every(rows => Array.isArray(rows) && rows.length === 1) ? true : undefined
  })
  return {
    organization,
    team: name,
    user,
    other,
    key: tokenOf(String(key['key'])),
    teamKey: tokenOf(String(teamKey['key'])),
    keyAlias: word('key'),
    project,
    call,
    customer,
    tag,
    session,
    agent,
  }
}

/** All that an administrator sees of a tenant: equal before and after means that nothing was changed. */
export async function stateOf(gateway: Gateway, t: Tenant): Promise<unknown> {
  const read = async (path: string): Promise<unknown> => withoutClock((await api(gateway, 'GET', path)).json)
  return Promise.all(
    [
      `/organization/info?organization_id=${t.organization}`,
      `/team/info?team_id=${t.team}`,
      `/key/list?team_id=${t.team}&return_full_object=true`,
      `/user/info?user_id=${t.user}`,
      `/user/info?user_id=${t.other}`,
      `/key/info?key=${t.key}`,
      `/key/info?key=${t.teamKey}`,
      `/project/info?project_id=${t.project}`,
    ].map(read),
  )
}

/** `last_active` and spend are written by the books, some time after a call. */
function withoutClock(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutClock)
  if (!isJson(value)) return value
  const moving = new Set(['last_active', 'last_active_at', 'spend'])
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !moving.has(name))
      .map(([name, inner]) => [name, withoutClock(inner)]),
  )
}

/** Sends an operation with the values it is aimed with. */
export function perform(
  gateway: Gateway,
  { method, path }: Operation,
  aimed: Aimed,
  headers: Record<string, string>,
): Promise<StreamAnswer> {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => aimed.path?.[name] ?? 'some-id')
  const query = aimed.query === undefined ? '' : `?${new URLSearchParams(aimed.query)}`
  return send(`${gateway.url}${filled}${query}`, {
    method,
    headers,
    ...(aimed.body === undefined ? {} : { body: aimed.body }),
  })
}
