import { describe, expect, it } from 'vitest'
import type { Principal } from '../../authentication/principal.ts'
import { AccessControl, type ReachedRoute, type StoredAccess } from './access-control.ts'
import { compileAccess, compilePolicies, openAccess } from './access-settings.ts'
import { AddressList } from './address-list.ts'
import { chatRoute, someone } from './policy.fixtures.ts'
import type { Policy } from './policy.ts'
import type { CompiledPolicy } from './policy-set.ts'

const clock = { now: () => 0, epoch: () => Date.parse('2026-03-04T10:30:00Z') }
const route = (fields: Partial<ReachedRoute> = {}): ReachedRoute => ({
  ...chatRoute,
  permission: 'llm',
  writes: false,
  body: true,
  ...fields,
})
const stored = (policies: Policy[], ips: string[] = []): StoredAccess => ({
  policies: compilePolicies(policies, 'database', String),
  addresses: ips.length === 0 ? undefined : new AddressList(ips, 'ips'),
})
const master: Principal = someone({ proof: 'master_key', role: 'proxy_admin', admin: true })
const facts = (model: string) => () => ({ models: [model], tools: [], tags: [] })

describe('AccessControl', () => {
  it('is idle while nobody says anything: no call asks it', async () => {
    const access = new AccessControl({ clock, load: async () => stored([]) })
    access.configure(openAccess)
    // Not yet: what the database says is not known.
    expect(access.active).toBe(true)
    expect(await access.refresh()).toBe(true)
    expect(access.active).toBe(false)
    expect(new AccessControl({ clock }).active).toBe(false)
  })

  it('lets in the master key alone until the database was read, and asks it again', async () => {
    let reads = 0
    let broken = true
    const stale: unknown[] = []
    const access = new AccessControl({
      clock,
      async load() {
        reads++
        if (broken) throw new Error('away')
        return stored([{ name: 'p', effect: 'deny', models: ['x'] }])
      },
      onStale: error => stale.push(error),
    })
    expect(await access.refresh()).toBe(false)
    expect(access.atRoute(master, route(), '::1')).toBeUndefined()
    expect(access.atRoute(someone(), route(), '::1')).toMatchObject({ code: 'identity_unavailable', status: 503 })
    expect([reads, stale.length]).toEqual([2, 1])
    broken = false
    await access.refresh()
    await access.refresh()
    expect(access.atRoute(someone(), route(), '::1')).toBeUndefined()
    // What was read once stays when it cannot be read again.
    broken = true
    await access.refresh()
    expect(() => access.atCall(someone(), route(), '::1', facts('x'))).toThrow('policy')
  })

  it('asks the policies of the file before those of the database', async () => {
    const access = new AccessControl({
      clock,
      load: async () => stored([{ name: 'base', effect: 'deny', models: ['*'] }]),
    })
    await access.refresh()
    access.configure({
      ...openAccess,
      policies: compilePolicies([{ name: 'f', effect: 'allow', models: ['a'] }], 'config', String),
    })
    expect(access.policies.map(({ name }) => name)).toEqual(['f', 'base'])
    expect(() => access.atCall(someone(), route(), '::1', facts('a'))).not.toThrow()
    expect(() => access.atCall(someone(), route(), '::1', facts('b'))).toThrow("'base'")
    // The master key is the way back from a wrong policy.
    expect(() => access.atCall(master, route(), '::1', facts('b'))).not.toThrow()
  })

  it('tells of a dry run once per call: not at the route, where the body is still to come', async () => {
    const told: string[] = []
    const policies: Policy[] = [
      { name: 'dry', effect: 'deny', dry_run: true },
      { name: 'real', effect: 'deny', models: ['x'] },
    ]
    const access = new AccessControl({
      clock,
      load: async () => stored(policies),
      onPolicy: ({ name }: CompiledPolicy) => told.push(name),
    })
    await access.refresh()
    expect(access.atRoute(someone(), route(), '::1')).toBeUndefined()
    expect(told).toEqual([])
    expect(() => access.atCall(someone(), route(), '::1', facts('y'))).not.toThrow()
    expect(told).toEqual(['dry'])
    expect(() => access.atCall(someone(), route(), '::1', facts('x'))).toThrow('policy')
    expect(told).toEqual(['dry', 'dry', 'real'])
    // A route without a call ahead of it is decided, and told of, at once.
    told.length = 0
    expect(access.atRoute(someone(), route({ permission: 'self' }), '::1')).toBeUndefined()
    expect(told).toEqual(['dry'])
  })

  it('adds the lists of addresses up; a route for the master key is closed to other addresses all the same', async () => {
    const access = new AccessControl({ clock, load: async () => stored([], ['192.0.2.1']) })
    await access.refresh()
    const nothing = { policies: [], allowedRoutes: [], adminOnlyRoutes: [], publicRoutes: [] }
    access.configure(compileAccess({ ...nothing, allowedIps: ['10.0.0.0/8'] }))
    expect(access.addresses).toEqual(['10.0.0.0/8', '192.0.2.1'])
    expect(['10.1.1.1', '192.0.2.1'].map(ip => access.atDoor(route(), ip))).toEqual([undefined, undefined])
    expect(access.atDoor(route(), '192.0.2.2')).toMatchObject({ code: 'permission_denied', status: 403 })
    expect(access.atDoor(route({ anywhere: 'everybody' }), '192.0.2.2')).toBeUndefined()
    const list = route({ anywhere: 'master_key', permission: 'admin' })
    expect(access.atDoor(list, '192.0.2.2')).toBeUndefined()
    expect(access.atRoute(master, list, '192.0.2.2')).toBeUndefined()
    const admin = someone({ proof: 'admin_key', role: 'proxy_admin', admin: true })
    expect(access.atRoute(admin, list, '192.0.2.2')).toMatchObject({ code: 'permission_denied' })
    expect(access.atRoute(admin, list, '192.0.2.1')).toBeUndefined()
  })
})
