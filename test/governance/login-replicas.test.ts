import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { send } from '../harness/http.ts'
import { type Service, services, startPostgres, startRedis } from '../harness/services.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { Browser, errorOf } from './identity-world.ts'
import { api, done } from './setup.ts'

describe.skipIf(!services.postgres || !services.redis)('logins over two replicas, PostgreSQL and Redis', () => {
  let upstream: Upstream
  let postgres: Service
  let redis: Service
  let replicas: Gateway[]
  const password = 'correct horse battery'

  beforeAll(async () => {
    ;[upstream, postgres, redis] = await Promise.all([startUpstream(), startPostgres(), startRedis()])
    const config: Json = {
      model_list: [deployment('m', upstream, 'm')],
      general_settings: { master_key: 'sk-master', max_failed_login_attempts: 4 },
    }
    const env = { DATABASE_URL: postgres.url, REDIS_URL: redis.url }
    // One after the other: the first makes the tables.
    replicas = [await startGateway({ config, env }), await startGateway({ config, env })]
  })
  afterAll(async () => {
    await Promise.all(replicas.map(gateway => gateway.stop()))
    await Promise.all([postgres.stop(), redis.stop(), upstream.close()])
  })

  const at = (index: number) => ({ url: replicas[index]!.url, key: 'sk-master' })
  const logIn = (index: number, username: string, given = password) =>
    send(`${at(index).url}/v2/login`, { body: { username, password: given, return_token: true } })
  const me = (index: number, token: string) => api(at(index), 'GET', '/v1/routeiq/session', undefined, token)

  it('an invitation of one is opened at the other, claimed at the first', async () => {
    await done(at(0), 'POST', '/user/new', { user_id: 'alice', user_role: 'internal_user', auto_create_key: false })
    const { id } = await done(at(0), 'POST', '/invitation/new', { user_id: 'alice' })
    const opened = (await send(`${at(1).url}/onboarding/get_token?invite_link=${id}`)).json!
    const claimed = await send(`${at(0).url}/onboarding/claim_token`, {
      body: { invitation_link: id, user_id: 'alice', password },
      headers: { authorization: `Bearer ${opened['token']}` },
    })
    expect(claimed.status, claimed.text).toBe(200)
  })

  it('a session of one is one at the other, and its logout ends it at both at once', async () => {
    const token = String((await logIn(0, 'alice')).json!['token'])
    expect((await me(0, token)).status).toBe(200)
    expect((await me(1, token)).json).toMatchObject({ user_id: 'alice' })
    await api(at(1), 'POST', '/logout', {}, token)
    expect((await me(1, token)).status).toBe(401)
    await eventually(async () => ((await me(0, token)).status === 401 ? true : undefined))
  })

  it('guesses are counted together', async () => {
    for (let count = 0; count < 4; count++) expect((await logIn(count % 2, 'bob', 'x')).status).toBe(401)
    for (const index of [0, 1]) expect(errorOf(await logIn(index, 'bob', 'x')).code).toBe('rate_limit_exceeded')
  })

  it('a command line tool that began at one is confirmed and answered at the other', async () => {
    const begun = (await send(`${at(0).url}/sso/cli/start`, { method: 'POST' })).json as Record<string, string>
    const browser = new Browser(replicas[1]!)
    await browser.open('/v2/login', { method: 'POST', body: { username: 'alice', password } })
    const page = `/sso/cli/complete/${begun['login_id']}`
    const csrf = /name="csrf_token" value="([\w-]{43})"/.exec((await browser.open(page)).text)![1]!
    expect((await browser.form(page, { user_code: begun['user_code']!, csrf_token: csrf })).status).toBe(200)
    const headers = { 'x-litellm-cli-poll-secret': begun['poll_secret'] }
    const polls = await Promise.all(
      [0, 1, 0, 1].map(index => send(`${at(index).url}/sso/cli/poll/${begun['login_id']}`, { headers })),
    )
    const ready = polls.filter(poll => poll.status === 200)
    expect(ready).toHaveLength(1)
    expect((await me(1, String(ready[0]!.json!['key']))).json).toMatchObject({ user_id: 'alice' })
  })

  it('what SCIM takes away at one is gone at the other at once', async () => {
    const key = String((await done(at(0), 'POST', '/key/generate', { user_id: 'alice' }))['key'])
    const models = (index: number) => api(at(index), 'GET', '/v1/models', undefined, key)
    expect([(await models(0)).status, (await models(1)).status]).toEqual([200, 200])
    const off = { Operations: [{ op: 'replace', value: { active: false } }] }
    expect((await api(at(0), 'PATCH', '/scim/v2/Users/alice', off)).status).toBe(200)
    expect((await models(0)).status).toBe(401)
    await eventually(async () => ((await models(1)).status === 401 ? true : undefined), 5000)
  })

  it('the first administrator is made once', async () => {
    const made = await Promise.all(
      [0, 1, 0].map((index, count) =>
        send(`${at(index).url}/v1/routeiq/setup`, {
          body: { token: 'sk-master', email: `root${count}@x.com`, password },
        }),
      ),
    )
    expect(made.map(answer => answer.status).sort()).toEqual([200, 409, 409])
  })
})
