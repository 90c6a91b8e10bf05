import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Principal } from '../authentication/principal.ts'
import { grants, refusingLevel } from './model-access.ts'
import { type Permission, refusal } from './permission.ts'
import { roles } from './roles.ts'
import { routeAllowed } from './route-groups.ts'
import { TrustedProxies } from './trusted-proxies.ts'

const noGroups = (): readonly string[] => []

describe('model grants', () => {
  it.each([
    [['gpt-4o'], 'gpt-4o', true],
    [['gpt-4o'], 'gpt-4o-mini', false],
    [['anthropic/*'], 'anthropic/claude', true],
    [['anthropic/*'], 'anthropic', false],
    [['anthropic/*'], 'x-anthropic/claude', false],
    [['*'], 'anything', true],
    [['all-proxy-models'], 'anything', true],
    [['no-default-models'], 'gpt-4o', false],
    [['g*t'], 'gpt', false],
    [['*-mini'], 'gpt-mini', false],
    [['a*/*'], 'ab/c', false],
    [[], 'gpt-4o', false],
  ])('%j for %s: %s', (models, model, expected) => {
    expect(grants(models, model, noGroups)).toBe(expected)
  })

  it('an access group covers the models that belong to it', () => {
    const groupsOf = (model: string) => (model === 'gpt-4o' ? ['fast'] : [])
    expect(grants(['fast'], 'gpt-4o', groupsOf)).toBe(true)
    expect(grants(['fast'], 'claude', groupsOf)).toBe(false)
  })

  it('every level must grant; the first that does not is named', () => {
    const key = { level: 'key', id: 'k', models: ['a', 'b'] } as const
    const team = { level: 'team', id: 't', models: ['b', 'c'] } as const
    expect(refusingLevel([key, team], 'b', noGroups)).toBeUndefined()
    expect(refusingLevel([key, team], 'a', noGroups)).toBe(team)
    expect(refusingLevel([key, team], 'c', noGroups)).toBe(key)
  })

  it('a grant without a star matches itself only', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (grant, model) => {
        fc.pre(!grant.includes('*') && grant !== 'all-proxy-models')
        expect(grants([grant], model, noGroups)).toBe(grant === model)
      }),
    )
  })
})

describe('allowed_routes', () => {
  const route = { paths: ['/key/info'], groups: ['management_routes', 'info_routes'] as const }
  it.each([
    [[], true],
    [['info_routes'], true],
    [['llm_api_routes'], false],
    [['/key/info'], true],
    [['/key/inf'], false],
    [['/key/*'], true],
    [['/*'], true],
    [['/keys/*'], false],
    [['/key/info/*'], false],
    [['key/info'], false],
  ])('%j: %s', (allowed, expected) => {
    expect(routeAllowed(allowed, route)).toBe(expected)
  })

  it('knows a template under other parameter names', () => {
    const models = { paths: ['/v1/models/:id'], groups: [] }
    expect(routeAllowed(['/v1/models/{model_id}'], models)).toBe(true)
    expect(routeAllowed(['/v1/models/gpt-4o'], models)).toBe(false)
  })
})

describe('permissions', () => {
  const may = (role: string, permission: Permission, writes: boolean): boolean =>
    refusal({ role, allowedRoutes: [] } as unknown as Principal, { permission, writes, paths: ['/x'], groups: [] }) ===
    undefined

  it('the whole table', () => {
    const table = roles.map(role => [
      role,
      ...(['llm', 'self', 'viewer', 'admin'] as const).map(
        permission => `${may(role, permission, false) ? 'r' : '-'}${may(role, permission, true) ? 'w' : '-'}`,
      ),
    ])
    expect(table).toEqual([
      ['proxy_admin', 'rw', 'rw', 'rw', 'rw'],
      ['proxy_admin_viewer', 'rw', 'r-', 'r-', '--'],
      ['org_admin', 'rw', 'rw', '--', '--'],
      ['internal_user', 'rw', 'rw', '--', '--'],
      ['internal_user_viewer', 'rw', 'r-', '--', '--'],
      ['team', 'rw', '--', '--', '--'],
      ['customer', 'rw', '--', '--', '--'],
    ])
  })

  it('allowed_routes binds administrators, too', () => {
    const principal = { role: 'proxy_admin', allowedRoutes: ['llm_api_routes'] } as unknown as Principal
    expect(
      refusal(principal, { permission: 'admin', writes: true, paths: ['/x'], groups: ['management_routes'] }),
    ).toMatch(/other routes/)
  })
})

describe('trusted proxies', () => {
  const proxies = new TrustedProxies(['10.0.0.0/8', '::1'])
  it.each([
    ['203.0.113.9', '1.2.3.4', '203.0.113.9'],
    ['10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['::ffff:10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '6.6.6.6, 1.2.3.4, 10.0.0.2', '1.2.3.4'],
    ['10.0.0.1', 'nonsense', '10.0.0.1'],
    ['10.0.0.1', '1.2.3.4, nonsense', '10.0.0.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['::1', '2001:db8::1', '2001:db8::1'],
    ['10.0.0.1', '::ffff:1.2.3.4', '1.2.3.4'],
  ])('socket %s, forwarded %s: %s', (socket, forwarded, expected) => {
    expect(proxies.clientAddress(socket, forwarded)).toBe(expected)
  })

  it('without trusted proxies the header means nothing', () => {
    expect(TrustedProxies.none.clientAddress('10.0.0.1', '1.2.3.4')).toBe('10.0.0.1')
    expect(() => new TrustedProxies(['10.0.0.0/99'])).toThrow()
  })
})
