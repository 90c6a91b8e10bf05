import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { type FallbackQuestion, fallbackChain } from './fallbacks.ts'
import { compileRoutingSettings, type RouterSettingsConfig } from './settings.ts'

const down = new UpstreamFailure('internal_server', 'x')

function chain(config: RouterSettingsConfig, over: Partial<FallbackQuestion> = {}) {
  return fallbackChain({ group: 'a', failure: down, settings: compileRoutingSettings(config), ...over })
}
const names = (config: RouterSettingsConfig, over: Partial<FallbackQuestion> = {}) =>
  chain(config, over).map(({ model }) => model)

describe('which list', () => {
  const config: RouterSettingsConfig = {
    fallbacks: [{ a: ['b', 'c'] }, { '*': ['any'] }],
    context_window_fallbacks: [{ a: ['long'] }],
    content_policy_fallbacks: [{ a: ['lenient'] }],
    default_fallbacks: ['last'],
  }
  test('the kind’s own, else the general, else *, else default_fallbacks', () => {
    expect(names(config)).toEqual(['b', 'c'])
    expect(names(config, { failure: new UpstreamFailure('context_window_exceeded', 'x') })).toEqual(['long'])
    expect(names(config, { failure: new GatewayError('context_length_exceeded', 'x') })).toEqual(['long'])
    expect(names(config, { failure: new UpstreamFailure('content_policy_violation', 'x') })).toEqual(['lenient'])
    expect(names(config, { group: 'z' })).toEqual(['any'])
    expect(names(config, { group: 'z', failure: new UpstreamFailure('context_window_exceeded', 'x') })).toEqual(['any'])
    expect(names({ default_fallbacks: ['last'] })).toEqual(['last'])
    expect(names({})).toEqual([])
  })
  test('a wildcard’s list may be keyed by the pattern', () => {
    expect(names({ fallbacks: [{ 'openai/*': ['b'] }] }, { group: 'openai/o3', pattern: 'openai/*' })).toEqual(['b'])
  })
  test('router_settings beats litellm_settings', () => {
    const settings = compileRoutingSettings(
      { fallbacks: [{ a: ['b'] }] },
      { fallbacks: [{ a: ['c'] }], default_fallbacks: ['d'] },
    )
    expect(fallbackChain({ group: 'a', failure: down, settings }).map(({ model }) => model)).toEqual(['b'])
    expect(fallbackChain({ group: 'x', failure: down, settings }).map(({ model }) => model)).toEqual(['d'])
  })
  test('none when disabled, or when nobody waits any more', () => {
    expect(names(config, { disable: true })).toEqual([])
    expect(names(config, { disable: true, clientFallbacks: ['b'] })).toEqual([])
    expect(names(config, { failure: new GatewayError('client_disconnected', 'x') })).toEqual([])
  })
})

test('overrides travel with the target; the same group with overrides is another attempt', () => {
  const config = { fallbacks: [{ a: [{ model: 'b', temperature: 0 }, { model: 'a', messages: [] }, 'a', 'b'] }] }
  expect(chain(config)).toEqual([
    { model: 'b', overrides: { temperature: 0 } },
    { model: 'a', overrides: { messages: [] } },
    { model: 'b', overrides: undefined },
  ])
})

describe('the caller’s own', () => {
  const config = { fallbacks: [{ a: ['configured'] }] }
  test('names, objects and lists per group replace the configured ones', () => {
    expect(names(config, { clientFallbacks: ['x', { model: 'y', temperature: 1 }] })).toEqual(['x', 'y'])
    expect(names(config, { clientFallbacks: [{ a: ['p'] }, { q: ['r'] }] })).toEqual(['p'])
    expect(names(config, { clientFallbacks: [] })).toEqual([])
  })
  test.each([[[5]], [['']], [[{}]], [[{ temperature: 1 }]], [[null]], [[{ a: [7] }]]])(
    '%j is refused',
    clientFallbacks => {
      expect(() => names(config, { clientFallbacks })).toThrow(expect.objectContaining({ code: 'invalid_request' }))
    },
  )
  test.each(['api_key', 'api_base', 'base_url', 'extra_headers'])('may not choose %s', name => {
    expect(() => names(config, { clientFallbacks: [{ model: 'b', [name]: 'https://x.test' }] })).toThrow(name)
  })
})

test('bounded by max_fallbacks over the whole call; no group twice, none visited', () => {
  const config = { fallbacks: [{ a: ['b', 'b', 'a', 'c', 'd', 'e', 'f', 'g'] }] }
  expect(names(config)).toEqual(['b', 'c', 'd', 'e', 'f'])
  expect(names({ ...config, max_fallbacks: 2 })).toEqual(['b', 'c'])
  expect(names(config, { depth: 4 })).toEqual(['b'])
  expect(names(config, { depth: 9 })).toEqual([])
  expect(names(config, { visited: new Set(['b', 'd']) })).toEqual(['c', 'e', 'f', 'g'])
})

test('walking chains of chains always ends, whatever the config', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd')
  const lists = fc.array(fc.tuple(name, fc.array(name, { maxLength: 4 })), { maxLength: 6 })
  fc.assert(
    fc.property(lists, entries => {
      const settings = compileRoutingSettings({ fallbacks: entries.map(([group, targets]) => ({ [group]: targets })) })
      const visited = new Set(['a'])
      const walk = (group: string): void => {
        for (const { model } of fallbackChain({ group, failure: down, settings, visited, depth: visited.size - 1 })) {
          if (visited.has(model)) continue
          visited.add(model)
          walk(model)
        }
      }
      walk('a')
      expect(visited.size).toBeLessThanOrEqual(4)
    }),
  )
})
