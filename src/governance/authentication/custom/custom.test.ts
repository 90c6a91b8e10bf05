import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newcomers, openPlane, TestClock, type TestPlane } from '../authentication.fixtures.ts'
import { loadFunction } from '../load-function.ts'
import type { Principal } from '../principal.ts'
import { TokenAdmission } from '../token-admission.ts'
import { CustomAuthenticator, type CustomAuthOptions } from './authenticator.ts'

let clock: TestClock
let world: TestPlane
let admission: TokenAdmission
beforeEach(async () => {
  clock = new TestClock()
  world = await openPlane(clock)
  admission = new TokenAdmission({ plane: world.plane, clock, newcomers, ttl: 60_000, staleFor: 0, maxEntries: 100 })
})
afterEach(() => world.close())

const by = (
  authenticate: CustomAuthOptions['authenticate'],
  more: Partial<CustomAuthOptions> = {},
): CustomAuthenticator =>
  new CustomAuthenticator({
    authenticate,
    elseKeys: false,
    commonChecks: true,
    admission,
    byKey: key => {
      throw new GatewayError('invalid_api_key', `key ${key}`)
    },
    ...more,
  })

const request = { method: 'POST', headers: { 'x-tenant': 't' }, address: '192.0.2.1', peer: '' }
const come = async (authenticator: CustomAuthenticator, credential = 'secret'): Promise<Principal> =>
  (await authenticator.authenticate(credential, request))!

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return `${(error as GatewayError).code}: ${(error as GatewayError).message}`
}

describe('a custom module', () => {
  it('gets the request and the key, and says who it is', async () => {
    const seen: unknown[] = []
    const found = await come(
      by((given, key) => {
        seen.push(given, key)
        return {
          user_id: 'alice',
          team_id: 't',
          user_role: 'internal_user',
          models: ['m'],
          rpm_limit: 7,
          max_budget: 1.5,
          tags: ['x'],
          metadata: { a: 1 },
        }
      }),
    )
    expect(seen).toEqual([{ method: 'POST', headers: { 'x-tenant': 't' }, address: '192.0.2.1' }, 'secret'])
    expect(found).toMatchObject({
      proof: 'custom',
      userId: 'alice',
      teamId: 't',
      role: 'internal_user',
      tags: ['x'],
      metadata: { a: 1 },
      keyLimits: { rpm: 7 },
      modelAccess: [{ level: 'key', models: ['m'] }],
    })
    expect(found.limits.map(rule => [rule.scope, rule.metric])).toEqual(
      expect.arrayContaining([
        ['key', 'requests'],
        ['key', 'budget'],
      ]),
    )
  })

  it('refuses by throwing, and tells the caller only what it means to', async () => {
    const thrown = (error: unknown) =>
      by(() => {
        throw error
      })
    expect(await refused(come(thrown(new Error('db password is hunter2'))))).toBe(
      'invalid_api_key: This token is not valid here: general_settings.custom_auth refuses it.',
    )
    expect(await refused(come(thrown('text')))).toContain('invalid_api_key')
    expect(await refused(come(thrown(Object.assign(new Error('Ask Bob.'), { expose: true }))))).toBe(
      'invalid_api_key: Ask Bob.',
    )
    expect(await refused(come(thrown(Object.assign(new Error('No.'), { expose: true, status: 403 }))))).toBe(
      'permission_denied: No.',
    )
    expect(await refused(come(by(async () => Promise.reject(new Error('later')))))).toContain('invalid_api_key')
  })

  it('that answers nonsense is an internal error, never a way in', async () => {
    for (const answer of [
      undefined,
      null,
      true,
      7,
      '',
      [],
      { user_id: 7 },
      { user_id: 'a', user_role: 'god' },
      { user_id: 'a', rpm_limt: 1 },
      { user_id: 'a', max_budget: -1 },
    ]) {
      expect(await refused(come(by(() => answer))), JSON.stringify(answer)).toContain('internal_error')
    }
    expect(await refused(come(by(() => ({ metadata: {} }))))).toContain('permission_denied')
  })

  it('has a bounded time', async () => {
    expect(await refused(come(by(() => new Promise(() => undefined), { timeout: 20 })))).toContain(
      'identity_unavailable',
    )
  })

  it('may answer with a virtual key', async () => {
    expect(await refused(come(by(() => 'sk-mapped')))).toContain('key sk-mapped')
  })

  it('leaves others to keys when it is told to', async () => {
    const picky = by(
      () => {
        throw new Error('no')
      },
      { elseKeys: true },
    )
    expect(await picky.authenticate('sk-1', request)).toBeUndefined()
    const slow = by(() => new Promise(() => undefined), { elseKeys: true, timeout: 20 })
    expect(await refused(come(slow))).toContain('identity_unavailable')
  })

  it('is asked every time, so that it can change its mind', async () => {
    let role = 'proxy_admin'
    const fickle = by(() => ({ user_id: 'a', user_role: role }))
    expect((await come(fickle)).admin).toBe(true)
    role = 'internal_user'
    expect((await come(fickle)).admin).toBe(false)
    const over = by(() => ({ user_id: 'a', expires: clock.epoch() - 1 }))
    expect(await refused(come(over))).toContain('expired_key')
  })

  it('cannot change the request', async () => {
    const headers: Record<string, string> = { authorization: 'x' }
    await by((given: unknown) => {
      ;(given as { headers: Record<string, string> }).headers['authorization'] = 'y'
      return { user_id: 'a' }
    }).authenticate('x', { ...request, headers })
    expect(headers).toEqual({ authorization: 'x' })
  })
})

describe('loading a function', () => {
  const directory = mkdtempSync(join(tmpdir(), 'routeiq-custom-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return `./${name}`
  }
  const load = (reference: string) => loadFunction('general_settings.custom_auth', reference, directory)

  it('takes a default export or a named one, relative to the configuration', async () => {
    const path = file('auth.js', 'export default () => "d"\nexport const named = () => "n"\nexport const text = "x"')
    expect((await load(path))()).toBe('d')
    expect((await load(`${path}:named`))()).toBe('n')
    await expect(load(`${path}:text`)).rejects.toThrow("exports no function 'text'")
    await expect(load(`${path}:toString`)).rejects.toThrow('exports no function')
    await expect(load('./missing.js')).rejects.toThrow('cannot be loaded')
    await expect(load(file('broken.js', 'export default ('))).rejects.toThrow('cannot be loaded')
    await expect(load(file('none.js', 'export const a = 1'))).rejects.toThrow('no default export')
    await expect(load('custom_auth.user_api_key_auth')).rejects.toThrow('Python modules')
  })
})
