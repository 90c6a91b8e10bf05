import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../platform/config/load.ts'
import { routerSettings } from '../../../platform/config/router-settings.ts'
import { infoOf, runtimeKeys, schemaOf, settableSections, whyNot } from './runtime-keys.ts'
import { judgeSetting } from './setting-value.ts'
import { isEmpty, type StoredConfig, storedFallbacks, withStored } from './stored-config.ts'

const file = (sections: object) => parseConfig(JSON.stringify(sections), { env: {} }).config
const stored = (changes: Partial<StoredConfig['sections']> = {}, fallbacks: unknown = {}): StoredConfig => ({
  sections: { general_settings: {}, litellm_settings: {}, router_settings: {}, ...changes },
  fallbacks: storedFallbacks(fallbacks),
})

describe('settings of the database', () => {
  it('win over the file key by key, and leave the rest of it', () => {
    const config = file({ router_settings: { timeout: 5, num_retries: 7 }, litellm_settings: { drop_params: true } })
    const merged = withStored(config, stored({ router_settings: { timeout: 9 }, litellm_settings: { max_budget: 3 } }))
    expect(merged.router_settings).toMatchObject({ timeout: 9, num_retries: 7 })
    expect(merged.litellm_settings).toMatchObject({ drop_params: true, max_budget: 3 })
    expect(config.router_settings.timeout, 'the file is left as it is').toBe(5)
    expect(withStored(config, stored())).toEqual(config)
    expect([isEmpty(stored()), isEmpty(stored({}, { general: { a: ['b'] } }))]).toEqual([true, false])
  })

  it('that this version does not take any more are left out and named', () => {
    const problems: string[] = []
    const old = stored({ router_settings: { timeout: 'soon', num_retries: 1, gone_since: 1, redis_host: 'x' } })
    const { router_settings: router } = withStored(file({}), old, problem => problems.push(problem))
    expect([router.timeout, router.num_retries, router.redis_host]).toEqual([undefined, 1, undefined])
    expect(problems).toHaveLength(3)
  })

  it('lay fallbacks over lists of either section, group by group', () => {
    const entries = { general: { a: ['x'] }, content_policy: { b: ['y'] }, other: { c: ['z'] } }
    const config = file({ litellm_settings: { fallbacks: [{ a: ['old'], b: ['kept'] }, { a: ['older'] }] } })
    const { router_settings: router } = withStored(config, stored({}, entries))
    expect(router.fallbacks).toEqual([{ b: ['kept'] }, { a: ['x'] }])
    expect(router.content_policy_fallbacks).toEqual([{ b: ['y'] }])
    expect(router.context_window_fallbacks).toBeUndefined()
    // What somebody wrote into the table by hand breaks nothing.
    expect(storedFallbacks({ general: { a: 'x', b: [1, 'c'] }, context_window: 7 })).toMatchObject({
      general: { b: ['c'] },
      context_window: {},
    })
  })
})

describe('a key that can be set', () => {
  it.each(settableSections)('of %s is active and known', section => {
    const keys = runtimeKeys(section)
    expect(keys.length).toBeGreaterThan(15)
    for (const name of keys) {
      expect(infoOf(section, name)?.status, name).toBe('active')
      expect(schemaOf(section, name), name).toBeDefined()
    }
  })

  it('holds no credential: nothing that can be set is wrapped as a secret', () => {
    for (const section of settableSections) {
      expect(runtimeKeys(section).filter(name => /password|secret|master_key|url$|token$/.test(name))).toEqual([])
    }
    expect(Object.keys(routerSettings.shape).filter(name => name.startsWith('redis_')).length).toBeGreaterThan(3)
  })

  it.each([
    ['general_settings', 'database_url', /only from the config file/],
    ['general_settings', 'custom_auth', /only from the config file/],
    ['general_settings', 'enable_jwt_auth', /only from the config file/],
    ['general_settings', 'master_key', /never kept/],
    ['router_settings', 'redis_url', /only from the config file/],
    ['litellm_settings', 'cache', /does nothing with it/],
    ['litellm_settings', 's3_callback_params', /only from the config file/],
  ] as const)('is not %s.%s', (section, name, reason) => {
    expect(whyNot(section, name)).toMatch(reason)
    expect(judgeSetting(section, name, 'x')).toEqual({ problem: expect.stringMatching(reason) })
  })

  it('has a value that fits, without references, and of bounded size', () => {
    expect(judgeSetting('router_settings', 'timeout', 9)).toEqual({ value: 9 })
    for (const [name, value] of [
      ['timeout', 'os.environ/HOME'],
      ['timeout', -1],
      ['timeuot', 1],
      ['model_group_alias', { a: 'x'.repeat(70_000) }],
      ['fallbacks', 'none'],
    ] as const) {
      expect(judgeSetting('router_settings', name, value), name).toHaveProperty('problem')
    }
  })
})
