import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done } from './setup.ts'

const stores = ['SQLite', 'PostgreSQL'] as const

describe.each(stores.filter(store => store === 'SQLite' || services.postgres))(
  'two who make one thing at once, on %s',
  store => {
    let upstream: Upstream
    let postgres: Service | undefined
    let gateway: Gateway
    beforeAll(async () => {
      upstream = await startUpstream()
      if (store === 'PostgreSQL') postgres = await startPostgres()
      gateway = await startGateway({
        config: { model_list: [deployment('m', upstream, 'm')] },
        env: { DATABASE_URL: postgres?.url },
      })
    })
    afterAll(async () => {
      await gateway.stop()
      await postgres?.stop()
      await upstream.close()
    })

    const made: [path: string, body: (round: number) => Json][] = [
      ['/v1/routeiq/policies', n => ({ name: `p${n}`, effect: 'deny', models: ['nothing'] })],
      ['/team/new', n => ({ team_id: `t${n}` })],
      ['/user/new', n => ({ user_id: `u${n}`, auto_create_key: false })],
      ['/key/generate', n => ({ key_alias: `k${n}` })],
      ['/tag/new', n => ({ name: `g${n}` })],
      ['/customer/new', n => ({ user_id: `c${n}` })],
      ['/credentials', n => ({ credential_name: `r${n}`, credential_values: { api_key: 'x' } })],
      ['/v1/access_group', n => ({ access_group_name: `a${n}` })],
    ]

    it.each(made)('%s: one of them, and the others are told', async (path, body) => {
      for (let round = 0; round < 4; round++) {
        const answers = await Promise.all(Array.from({ length: 8 }, () => api(gateway, 'POST', path, body(round))))
        const statuses = answers.map(({ status }) => status).sort()
        expect(
          statuses.filter(status => status < 300),
          answers.map(({ text }) => text).join('\n'),
        ).toHaveLength(1)
        expect(statuses.filter(status => status !== 400 && status !== 409 && status >= 300)).toEqual([])
      }
    })

    it('two who replace one key: one new key', async () => {
      await done(gateway, 'POST', '/user/new', { user_id: 'replacer', auto_create_key: false })
      const { key } = await done(gateway, 'POST', '/key/generate', { user_id: 'replacer' })
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => api(gateway, 'POST', '/key/regenerate', { key })),
      )
      const good = answers.filter(({ status }) => status === 200)
      expect(good, answers.map(({ text }) => text).join('\n')).toHaveLength(1)
      expect(answers.filter(({ status }) => status >= 500)).toEqual([])
      const list = await done(gateway, 'GET', '/key/list?user_id=replacer')
      expect(list['total_count']).toBe(1)
    })
  },
)
