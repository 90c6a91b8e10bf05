import { describe, expect, it } from 'vitest'
import type { Authentication } from '../governance/authentication/authentication.ts'
import type { Management } from '../governance/management/management.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import type { Fleet } from './fleet.ts'
import { matching } from './route.ts'
import type { RouteServices } from './route-services.ts'
import { callRoutes, controlRoutes } from './routes.ts'

/** Enough to list routes; no handler runs. */
const anything: unknown = new Proxy(() => anything, {
  get: (_target, name) => (name === 'then' ? undefined : anything),
})
const services: RouteServices = {
  gateway: anything as Gateway,
  fleet: anything as Fleet,
  management: anything as Management,
  authentication: anything as Authentication,
}

describe('routes of the two servers', () => {
  it('have no path in common: the first would keep those of the second from it', async () => {
    const calls = callRoutes(services)
    const others = await controlRoutes(services, calls)
    expect(others.length).toBeGreaterThan(100)
    const methods = [...new Set(calls.map(route => route.method))]
    const taken = others.flatMap(route => {
      const paths = route.paths.map(path => path.replaceAll(/:\w+|\*/g, 'some'))
      return paths.filter(path => methods.some(method => matching(calls, method, path) !== undefined))
    })
    expect(taken).toEqual([])
  })
})
