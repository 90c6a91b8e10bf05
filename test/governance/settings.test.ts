import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answeredBy, configure, deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, type StreamAnswer } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

const messageOf = (answer: StreamAnswer): string => String((answer.json?.['error'] as Json | undefined)?.['message'])

describe.each([1, 2])('fallbacks and settings in the database, %i workers', workers => {
  let upstream: Upstream
  let gateway: Gateway
  const base = (): Json => ({
    model_list: [
      deployment('a', upstream, 'a@status=500'),
      deployment('b', upstream, 'b'),
      deployment('vendor/c', upstream, 'c'),
      deployment('d', upstream, 'd@status=500'),
    ],
    router_settings: { num_retries: 0, disable_cooldowns: true, fallbacks: [{ d: ['b'] }] },
  })
  beforeAll(async () => {
    upstream = await startUpstream()
    gateway = await startGateway({ config: base(), args: workers === 1 ? [] : ['--num_workers', String(workers)] })
  })
  afterAll(async () => {
    await gateway.stop()
    await upstream.close()
  })
  /** Every worker agrees. */
  const everywhere = (probe: () => Promise<unknown>, expected: unknown) =>
    eventually(async () => {
      const all = await Promise.all(Array.from({ length: 4 * workers }, probe))
      return all.every(one => JSON.stringify(one) === JSON.stringify(expected)) ? true : undefined
    })
  /** Deployment that answers, or the status where none does. */
  const reached = async (model: string): Promise<unknown> => {
    const answer = await chat(gateway, model, 'hi')
    return answer.status === 200 ? answeredBy(answer) : answer.status
  }

  it('are set, read and removed by the calls of LiteLLM’s documentation', async () => {
    expect(await reached('a')).toBe(500)
    const made = await done(gateway, 'POST', '/fallback', {
      model: 'a',
      fallback_models: ['b', 'vendor/c'],
      fallback_type: 'general',
    })
    expect(made).toEqual({
      model: 'a',
      fallback_models: ['b', 'vendor/c'],
      fallback_type: 'general',
      message: 'Fallback configuration created successfully',
    })
    await everywhere(() => reached('a'), 'b')
    const changed = await done(gateway, 'POST', '/fallback', { model: 'a', fallback_models: ['vendor/c'] })
    expect(changed['message']).toBe('Fallback configuration updated successfully')
    await everywhere(() => reached('a'), 'c')
    expect(await done(gateway, 'GET', '/fallback/a?fallback_type=general')).toEqual({
      model: 'a',
      fallback_models: ['vendor/c'],
      fallback_type: 'general',
    })
    expect((await api(gateway, 'GET', '/fallback/a?fallback_type=context_window')).status).toBe(404)
    expect(await done(gateway, 'DELETE', '/fallback/a?fallback_type=general')).toMatchObject({ model: 'a' })
    await everywhere(() => reached('a'), 500)
    expect((await api(gateway, 'DELETE', '/fallback/a')).status).toBe(404)
    // A name with a slash, as it is and encoded.
    await done(gateway, 'POST', '/fallback', { model: 'vendor/c', fallback_models: ['b'] })
    for (const path of ['/fallback/vendor/c', '/fallback/vendor%2Fc']) {
      expect((await done(gateway, 'GET', path))['fallback_models']).toEqual(['b'])
    }
    await done(gateway, 'DELETE', '/fallback/vendor/c')
  })

  it('win over the file group by group; those of the file are removed there', async () => {
    expect((await done(gateway, 'GET', '/fallback/d'))['fallback_models']).toEqual(['b'])
    const refused = await api(gateway, 'DELETE', '/fallback/d')
    expect([refused.status, messageOf(refused)]).toEqual([400, expect.stringContaining('list fallbacks')])
    await done(gateway, 'POST', '/fallback', { model: 'd', fallback_models: ['vendor/c'] })
    await done(gateway, 'POST', '/fallback', { model: 'a', fallback_models: ['b'] })
    await everywhere(() => reached('d'), 'c')
    // What is in the database outlives a reload of the file.
    await configure(gateway, { ...base(), litellm_settings: { drop_params: true } })
    await everywhere(() => reached('d'), 'c')
    await everywhere(() => reached('a'), 'b')
    await done(gateway, 'DELETE', '/fallback/d')
    await everywhere(() => reached('d'), 'b')
    // A whole list is a newer word than the entries before it.
    await done(gateway, 'POST', '/config/update', { router_settings: { fallbacks: [{ d: ['vendor/c'] }] } })
    await everywhere(() => reached('d'), 'c')
    await everywhere(() => reached('a'), 500)
    await done(gateway, 'POST', '/config/field/delete', { field_name: 'fallbacks', config_type: 'router_settings' })
    await everywhere(() => reached('d'), 'b')
  })

  it('make no sense in some ways, which are refused', async () => {
    const cases: [Json, number][] = [
      [{ model: 'nobody', fallback_models: ['b'] }, 404],
      [{ model: 'a', fallback_models: ['nobody'] }, 404],
      [{ model: 'a', fallback_models: ['a'] }, 400],
      [{ model: 'a', fallback_models: ['b', 'b'] }, 400],
      [{ model: 'a', fallback_models: [] }, 400],
      [{ model: 'a', fallback_models: ['b'], fallback_type: 'other' }, 400],
      [{ model: 'a' }, 400],
    ]
    for (const [body, status] of cases) {
      const answer = await api(gateway, 'POST', '/fallback', body)
      expect(answer.status, `${JSON.stringify(body)} ${answer.text}`).toBe(status)
    }
    const key = await newKey(gateway)
    expect((await api(gateway, 'POST', '/fallback', { model: 'a', fallback_models: ['b'] }, key)).status).toBe(403)
    expect((await api(gateway, 'GET', '/fallback/a')).status).toBe(404)
  })

  it('take effect at once on every worker, one by one and together', async () => {
    const routing = async () => (await done(gateway, 'GET', '/router/settings'))['current_values'] as Json
    const row = await done(gateway, 'POST', '/config/field/update', {
      field_name: 'completion_model',
      field_value: 'vendor/c',
      config_type: 'general_settings',
    })
    expect(row).toEqual({ param_name: 'general_settings', param_value: { completion_model: 'vendor/c' } })
    await everywhere(() => reached('b'), 'c')
    expect(await done(gateway, 'GET', '/config/field/info?field_name=completion_model')).toEqual({
      field_name: 'completion_model',
      field_value: 'vendor/c',
    })
    const list = (await done(gateway, 'GET', '/config/list?config_type=general_settings')) as unknown as Json[]
    const field = (name: string) => list.find(one => one['field_name'] === name)
    expect(field('completion_model')).toMatchObject({ field_value: 'vendor/c', stored_in_db: true })
    expect(field('max_request_size_mb')).toMatchObject({ field_type: 'Float', field_value: 32, stored_in_db: null })
    expect(field('master_key')).toBeUndefined()
    await done(gateway, 'POST', '/config/field/delete', {
      field_name: 'completion_model',
      config_type: 'general_settings',
    })
    await everywhere(() => reached('b'), 'b')
    expect((await api(gateway, 'GET', '/config/field/info?field_name=completion_model')).status).toBe(404)

    const updated = await done(gateway, 'POST', '/config/update', {
      router_settings: { routing_strategy: 'least-busy', timeout: 77 },
      litellm_settings: { default_team_params: { max_budget: 3 }, default_internal_user_params: { max_budget: 5 } },
    })
    expect(updated).toEqual({ message: 'Config updated successfully' })
    await everywhere(async () => {
      const { timeout, routing_strategy } = await routing()
      return [timeout, routing_strategy]
    }, [77, 'least-busy'])
    const team = await done(gateway, 'POST', '/team/new', { team_alias: `t-${workers}` })
    expect(team['max_budget']).toBe(3)
    await done(gateway, 'POST', '/config/update', { litellm_settings: { default_team_params: null } })
    expect(await done(gateway, 'GET', '/get/config/callbacks')).toMatchObject({
      status: 'success',
      router_settings: { routing_strategy: 'least-busy' },
    })
    // null puts the file in force again.
    await done(gateway, 'POST', '/config/update', { router_settings: { routing_strategy: null, timeout: null } })
    await everywhere(async () => (await routing())['routing_strategy'], 'simple-shuffle')
  })

  it('open the lists of spend to every caller, and close them again', async () => {
    const key = await newKey(gateway, { key_alias: `own-${workers}` })
    await newKey(gateway, { key_alias: `other-${workers}` })
    const seen = async (): Promise<boolean> =>
      (await api(gateway, 'GET', '/spend/keys?limit=100', undefined, key)).text.includes(`other-${workers}`)
    expect(await seen()).toBe(false)
    const field = { field_name: 'scope_spend_list_endpoints_to_caller', config_type: 'general_settings' }
    await done(gateway, 'POST', '/config/field/update', { ...field, field_value: false })
    await everywhere(seen, true)
    await done(gateway, 'POST', '/config/field/delete', field)
    await everywhere(seen, false)
  })

  it('that could not take effect are refused with the reason, and nothing is stored', async () => {
    const cases: [Json, RegExp][] = [
      [{ general_settings: { master_key: 'sk-other' } }, /never kept in the database/],
      [{ general_settings: { database_url: 'postgres://x' } }, /only from the config file/],
      [{ general_settings: { custom_auth: './mine.js' } }, /only from the config file/],
      [{ general_settings: { allowed_ips: ['127.0.0.1'] } }, /\/add\/allowed_ip/],
      [{ general_settings: { store_model_in_db: true } }, /this version does nothing with it/],
      [{ general_settings: { database_disable_prepared_statements: true } }, /has no effect here/],
      [{ router_settings: { redis_host: 'elsewhere' } }, /only from the config file/],
      [{ router_settings: { routing_stratgy: 'least-busy' } }, /did you mean "routing_strategy"/],
      [{ router_settings: { timeout: 'soon' } }, /timeout/],
      [{ router_settings: { redis_password: 'os.environ/SECRET' } }, /only from the config file/],
      [{ litellm_settings: { success_callback: ['langfuse'] } }, /not active yet/],
      [{ litellm_settings: { num_retries: 2 } }, /router_settings.num_retries' is set and wins/],
      [{ general_settings: { completion_model: 'os.environ/HOME' } }, /config file only/],
      [{ environment_variables: { SLACK_WEBHOOK_URL: 'https://x' } }, /read when the configuration is loaded/],
      [{ router_settings: { num_retries: 5, model_group_alias: { x: 'y', y: 'x' } } }, /x|y/],
    ]
    for (const [body, message] of cases) {
      const answer = await api(gateway, 'POST', '/config/update', body)
      expect([answer.status, messageOf(answer)], JSON.stringify(body)).toEqual([400, expect.stringMatching(message)])
    }
    const fields = { field_name: 'num_retries', config_type: 'router_settings' }
    expect((await api(gateway, 'GET', `/config/field/info?${new URLSearchParams(fields)}`)).status).toBe(404)
    const key = await newKey(gateway)
    for (const [path, body] of [
      ['/config/update', { router_settings: { timeout: 5 } }],
      ['/config/field/update', { ...fields, field_value: 9 }],
    ] as const) {
      expect((await api(gateway, 'POST', path, body, key)).status).toBe(403)
    }
  })

  it('are on the record, and two that come at once both count', async () => {
    const audit = await eventually(async () => {
      const found = await done(gateway, 'GET', '/audit?table_name=LiteLLM_Config&page_size=100')
      return (found['total'] as number) > 5 ? found : undefined
    })
    expect(JSON.stringify(audit)).toContain('fallback:a')
    const names = ['timeout', 'stream_timeout', 'cooldown_time', 'max_fallbacks']
    await Promise.all(names.map(name => done(gateway, 'POST', '/config/update', { router_settings: { [name]: 41 } })))
    for (const name of names) {
      const query = `field_name=${name}&config_type=router_settings`
      expect((await done(gateway, 'GET', `/config/field/info?${query}`))['field_value'], name).toBe(41)
    }
    await done(gateway, 'POST', '/config/update', {
      router_settings: Object.fromEntries(names.map(name => [name, null])),
    })
  })
})
