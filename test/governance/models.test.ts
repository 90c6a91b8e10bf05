import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

describe.each([1, 2])('models and credentials in the database, %i workers', workers => {
  let upstream: Upstream
  let gateway: Gateway
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({
      config: { model_list: [deployment('file', upstream, 'file')] },
      env: { LITELLM_SALT_KEY: 'sk-salt' },
      args: workers === 1 ? [] : ['--num_workers', String(workers)],
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })
  const status = async (model: string, key = gateway.key) => (await chat({ url: gateway.url, key }, model, 'hi')).status
  const served = (model: string, expected: number) =>
    eventually(async () => {
      const all = await Promise.all(Array.from({ length: 4 * workers }, () => status(model)))
      return all.every(one => one === expected) ? true : undefined
    })
  const params = (fields: Json = {}): Json => ({
    model: 'openai/db',
    api_base: `${upstream.url}/v1`,
    api_key: 'sk-secret-of-vendor',
    ...fields,
  })

  it('come, change, pause and go on every worker, without a secret showing', async () => {
    const made = await done(gateway, 'POST', '/model/new', {
      model_name: 'db',
      litellm_params: params(),
      model_info: { id: 'db-1', access_groups: ['beta'] },
    })
    expect(made).toMatchObject({ model_id: 'db-1', litellm_params: { api_key: '[redacted]' } })
    await served('db', 200)
    const beta = await newKey(gateway, { models: ['beta'] })
    expect([await status('db', beta), await status('file', beta)]).toEqual([200, 403])
    const info = await api(gateway, 'GET', '/model/info?litellm_model_id=db-1')
    expect(info.json).toMatchObject({ data: [{ model_name: 'db', model_info: { id: 'db-1', db_model: true } }] })
    expect(info.text + JSON.stringify(made) + gateway.logs()).not.toContain('secret-of-vendor')
    await done(gateway, 'POST', '/model/update', { model_info: { id: 'db-1' }, model_name: 'renamed' })
    await served('renamed', 200)
    await served('db', 404)
    await done(gateway, 'POST', '/model/block', { id: 'db-1' })
    await served('renamed', 404)
    await done(gateway, 'POST', '/model/unblock', { id: 'db-1' })
    await served('renamed', 200)
    await done(gateway, 'POST', '/model/delete', { id: 'db-1' })
    await served('renamed', 404)
    expect(await status('file')).toBe(200)
  })

  it('are refused when they could not be served, and change nothing then', async () => {
    const cases: Json[] = [
      { model_name: 'bad', litellm_params: {} },
      { model_name: 'bad', litellm_params: { model: 'nosuchvendor/x' } },
      { model_name: 'bad', litellm_params: params({ temperature: 'warm', timeout: 'soon' }) },
      { model_name: 'bad', litellm_params: params({ litellm_credential_name: 'nobody' }) },
      { model_name: '', litellm_params: params() },
    ]
    for (const body of cases) {
      const refused = await api(gateway, 'POST', '/model/new', body)
      expect(refused.status, `${JSON.stringify(body)} ${refused.text}`).toBe(400)
    }
    expect((await api(gateway, 'POST', '/model/update', { model_info: { id: 'file' }, model_name: 'x' })).status).toBe(
      404,
    )
    expect(
      (await api(gateway, 'POST', '/model/new', { model_name: 'x', litellm_params: params() }, await newKey(gateway)))
        .status,
    ).toBe(403)
    expect(await status('bad')).toBe(404)
  })

  it('take vendor keys from named credentials, and follow their changes', async () => {
    await done(gateway, 'POST', '/credentials', {
      credential_name: 'vendor',
      credential_values: { api_base: `${upstream.url}/v1`, api_key: 'sk-first' },
      credential_info: { owner: 'ops' },
    })
    await done(gateway, 'POST', '/model/new', {
      model_name: 'named',
      litellm_params: { model: 'openai/named', litellm_credential_name: 'vendor' },
      model_info: { id: 'named-1' },
    })
    await served('named', 200)
    const used = () => upstream.requests.filter(request => request.model === 'named').at(-1)?.headers['authorization']
    expect(used()).toBe('Bearer sk-first')
    await done(gateway, 'PATCH', '/credentials/vendor', { credential_values: { api_key: 'sk-second' } })
    await eventually(async () => {
      await Promise.all(Array.from({ length: 2 * workers }, () => status('named')))
      return used() === 'Bearer sk-second' ? true : undefined
    })
    const shown = await api(gateway, 'GET', '/credentials')
    expect(shown.text).not.toMatch(/sk-first|sk-second/)
    expect(await done(gateway, 'GET', '/credentials/by_name/vendor')).toMatchObject({
      credential_values: { api_key: '[redacted]' },
      credential_info: { owner: 'ops' },
    })
    expect(await done(gateway, 'POST', '/credentials/migrate-encryption/check')).toEqual({ credentials: 0, models: 0 })
    await done(gateway, 'DELETE', '/credentials/vendor')
    await served('named', 404)
    await done(gateway, 'POST', '/model/delete', { id: 'named-1' })
  })
})
