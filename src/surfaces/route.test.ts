import { describe, expect, it } from 'vitest'
import { guardedRoute, matching, type Route } from './route.ts'

const route = (fields: Partial<Route>): Route => ({
  method: 'GET',
  paths: ['/x'],
  permission: 'admin',
  dialect: 'openai',
  handle: () => undefined,
  ...fields,
})

describe('a route', () => {
  it('that does not say who may use it stops the start', () => {
    const { permission: _left, ...silent } = route({})
    expect(() => guardedRoute(silent as Route)).toThrow('route /x declares no permission')
    expect(guardedRoute(route({}))).toMatchObject({ permission: 'admin', writes: false, body: false })
    expect(guardedRoute(route({ method: 'POST' }))).toMatchObject({ writes: true, body: true })
    expect(guardedRoute(route({ method: 'POST', permission: 'llm' }))).toMatchObject({ writes: false, body: true })
  })

  it('is found by a path as one would call it', () => {
    const routes = [
      route({ paths: ['/a/:id'] }),
      route({ paths: ['/a/fixed'] }),
      route({ paths: ['/models/*'] }),
      route({ method: 'POST', paths: ['/a/:id/do'] }),
    ]
    expect(matching(routes, 'GET', '/a/1')).toBe(routes[0])
    expect(matching(routes, 'GET', '/a/fixed')).toBe(routes[1])
    expect(matching(routes, 'GET', '/models/openai/gpt')).toBe(routes[2])
    expect(matching(routes, 'POST', '/a/1/do')).toBe(routes[3])
    for (const path of ['/a', '/a/1/2', '/models', '/b/1', '']) expect(matching(routes, 'GET', path)).toBeUndefined()
    expect(matching(routes, 'POST', '/a/1')).toBeUndefined()
  })
})
