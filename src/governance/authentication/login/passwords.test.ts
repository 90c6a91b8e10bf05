import { createHash, scryptSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { type SharedState, StateUnavailable } from '../../../platform/shared-state/shared-state.ts'
import type { AuditEvent } from '../../audit/audit-log.ts'
import { openPlane, TestClock, type TestPlane } from '../authentication.fixtures.ts'
import { Provisioning } from '../people.ts'
import { FirstRun } from './first-run.ts'
import { Invitations } from './invitations.ts'
import { checkPassword, hashPassword, passwordProblem } from './password.ts'
import { type PasswordLoginServices, passwordLogin } from './password-login.ts'
import { type LoginSettings, readLoginSettings } from './settings.ts'
import { LoginThrottle } from './throttle.ts'

let clock: TestClock
let world: TestPlane
let denied: AuditEvent[]
beforeEach(async () => {
  clock = new TestClock()
  world = await openPlane(clock)
  denied = []
})
afterEach(() => world.close())

const actor = { name: 'test', token: undefined, address: undefined }
const user = (userId: string, more: object = {}, columns: object = {}) =>
  world.plane.change(async trx => {
    const by = new Provisioning(trx, actor, clock.epoch())
    await by.createUser({ userId, role: 'internal_user', ...more })
    if (Object.keys(columns).length > 0)
      await trx.updateTable('users').set(columns).where('user_id', '=', userId).execute()
    return { result: undefined, audit: by.audit, notices: by.notices }
  })
const hashOf = async (userId: string) =>
  (
    await world.plane.store.db
      .selectFrom('users')
      .select('password_hash')
      .where('user_id', '=', userId)
      .executeTakeFirst()
  )?.password_hash

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return `${(error as GatewayError).code}: ${(error as GatewayError).message}`
}

describe('passwords', () => {
  it('are kept by scrypt with a salt, and compared by it', async () => {
    const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')])
    expect(one).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    expect(one).not.toBe(two)
    expect(await checkPassword('correct horse', one)).toEqual({ right: true, outdated: false })
    for (const wrong of ['correct horsf', 'Correct horse', 'correct horse ', '', 'x'.repeat(300)]) {
      expect((await checkPassword(wrong, one)).right).toBe(false)
    }
    // é in one code point or two.
    expect((await checkPassword('cafe\u0301 table', await hashPassword('caf\u00e9 table'))).right).toBe(true)
  })

  it('that LiteLLM stored are read, and marked as outdated', async () => {
    const salt = Buffer.alloc(16, 7)
    const derived = scryptSync('hunter22', salt, 32, { N: 16_384, r: 8, p: 1 })
    const theirs = `scrypt:${Buffer.concat([salt, derived]).toString('base64')}`
    expect(await checkPassword('hunter22', theirs)).toEqual({ right: true, outdated: true })
    expect((await checkPassword('hunter23', theirs)).right).toBe(false)
    const older = createHash('sha256').update('hunter22').digest('hex')
    expect(await checkPassword('hunter22', older)).toEqual({ right: true, outdated: true })
    expect((await checkPassword(older, older)).right).toBe(false)
  })

  it('match nothing that is no hash', async () => {
    for (const stored of [
      null,
      undefined,
      '',
      'hunter22',
      'scrypt$',
      'scrypt$99999999$8$1$aaaaaaaaaaaaaaaaaaaaaa$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
      'scrypt:',
      'scrypt:AAAA',
    ]) {
      expect((await checkPassword('hunter22', stored)).right, String(stored)).toBe(false)
      expect((await checkPassword('', stored)).right, String(stored)).toBe(false)
    }
  })

  it('have a length, and are not the address', () => {
    expect(passwordProblem('short', undefined)).toContain('at least 8')
    expect(passwordProblem('x'.repeat(257), undefined)).toContain('at most 256')
    expect(passwordProblem('Me@Example.com', 'me@example.com')).toContain('e-mail')
    expect(passwordProblem('long enough', 'me@example.com')).toBeUndefined()
  })
})

const settings = (general: object = {}, env: Record<string, string> = {}): LoginSettings =>
  readLoginSettings(general, env)
const services = (state: SharedState = world.plane.state, limits = settings().attempts): PasswordLoginServices => ({
  plane: world.plane,
  clock,
  throttle: new LoginThrottle(state, clock, limits),
  isMasterKey: text => text === 'sk-master-key',
  onDenied: event => denied.push(event),
})
const login = (username: string, password: string, by: LoginSettings = settings(), address = '192.0.2.1') =>
  passwordLogin(services(world.plane.state, by.attempts), by, { username, password }, address)

describe('logging in by password', () => {
  it('works with address or id, and renews old hashes', async () => {
    await user(
      'alice',
      { email: 'Alice@X.com' },
      { password_hash: createHash('sha256').update('hunter22').digest('hex') },
    )
    expect((await login('alice@x.COM', 'hunter22')).user_id).toBe('alice')
    expect(await hashOf('alice')).toMatch(/^scrypt\$/)
    expect((await login(' alice ', 'hunter22')).user_id).toBe('alice')
  })

  it('gives one answer to whatever is wrong', async () => {
    const password_hash = await hashPassword('hunter22')
    await user('alice', {}, { password_hash })
    await user('none')
    await user('blocked', {}, { password_hash, blocked: 1 })
    const answers = await Promise.all([
      refused(login('alice', 'wrong-password')),
      refused(login('nobody', 'hunter22')),
      refused(login('none', 'hunter22')),
      refused(login('none', '')),
      refused(login('blocked', 'hunter22')),
      refused(login("' OR 1=1 --", 'x')),
      refused(login('admin', 'x')),
    ])
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toContain('invalid_api_key')
    expect(denied).toHaveLength(7)
    expect(JSON.stringify(denied)).not.toContain('hunter22')
  })

  it('takes as long for a name that does not exist', async () => {
    await user('alice', {}, { password_hash: await hashPassword('hunter22') })
    const time = async (name: string): Promise<number> => {
      const start = performance.now()
      await refused(login(name, 'wrong-password', settings(), name))
      return performance.now() - start
    }
    const known: number[] = []
    const unknown: number[] = []
    for (let round = 0; round < 5; round++) {
      known.push(await time('alice'))
      unknown.push(await time('nobody'))
    }
    const median = (values: number[]): number => values.sort((a, b) => a - b)[2]!
    expect(median(unknown) / median(known)).toBeGreaterThan(0.33)
    expect(median(unknown) / median(known)).toBeLessThan(3)
  })

  it('of the environment makes an administrator, unless it is switched off', async () => {
    const env = { UI_USERNAME: 'root', UI_PASSWORD: 'from-environment' }
    expect(await login('root', 'from-environment', settings({}, env))).toMatchObject({
      user_id: 'default_user_id',
      user_role: 'proxy_admin',
    })
    expect((await login('root', 'from-environment', settings({}, { ...env, PROXY_ADMIN_ID: 'boss' }))).user_id).toBe(
      'boss',
    )
    expect(await refused(login('root', 'sk-master-key', settings({}, env)))).toContain('invalid_api_key')
    expect(await refused(login('admin', 'from-environment', settings({}, env)))).toContain('invalid_api_key')
    // Without a password of its own: the master key, which is no default.
    expect((await login('admin', 'sk-master-key')).user_role).toBe('proxy_admin')
    for (const guess of ['', 'admin', 'sk-1234', 'password'])
      expect(await refused(login('admin', guess))).toContain('invalid_api_key')
    const off = settings({ disable_env_credential_login: true }, env)
    expect(await refused(login('root', 'from-environment', off))).toContain('invalid_api_key')
  })
})

describe('guessing', () => {
  const limits = { perUser: 3, perSource: 5, windowMs: 900_000 }
  const begin = (throttle: LoginThrottle, name: string, address = '192.0.2.1') => throttle.begin(name, address)

  it('is counted per user and per source, and ends with the window', async () => {
    const throttle = new LoginThrottle(world.plane.state, clock, limits)
    for (let count = 0; count < 3; count++) (await begin(throttle, 'alice')).failed()
    expect(await refused(begin(throttle, 'ALICE', '192.0.2.9'))).toContain('rate_limit_exceeded')
    for (let count = 0; count < 2; count++) (await begin(throttle, `user-${count}`)).failed()
    expect(await refused(begin(throttle, 'another'))).toContain('rate_limit_exceeded')
    await begin(throttle, 'another', '192.0.2.9')
    clock.pass(900_001)
    await begin(throttle, 'alice')
  })

  it('many at once is no way around: what is under way counts', async () => {
    const throttle = new LoginThrottle(world.plane.state, clock, limits)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => begin(throttle, 'alice', `192.0.2.${index}`)),
    )
    expect(outcomes.filter(outcome => outcome.status === 'fulfilled')).toHaveLength(3)
  })

  it('right passwords are not counted, and forgive', async () => {
    const throttle = new LoginThrottle(world.plane.state, clock, limits)
    for (let count = 0; count < 20; count++) await (await begin(throttle, 'alice')).succeeded()
    for (let count = 0; count < 2; count++) (await begin(throttle, 'alice')).failed()
    await (await begin(throttle, 'alice')).succeeded()
    for (let count = 0; count < 2; count++) (await begin(throttle, 'alice')).failed()
    await begin(throttle, 'alice')
  })

  it('stays bounded in this process while the shared state is away', async () => {
    const away = { reserve: () => Promise.reject(new StateUnavailable('away')) } as unknown as SharedState
    const throttle = new LoginThrottle(away, clock, limits)
    for (let count = 0; count < 3; count++) (await begin(throttle, 'alice')).failed()
    expect(await refused(begin(throttle, 'alice'))).toContain('rate_limit_exceeded')
    await (await begin(throttle, 'bob')).succeeded()
    clock.pass(900_001)
    await begin(throttle, 'alice')
  })

  it('stops the login itself, right password or not', async () => {
    await user('alice', {}, { password_hash: await hashPassword('hunter22') })
    const strict = settings({ max_failed_login_attempts: 2 })
    for (let count = 0; count < 2; count++) await refused(login('alice', 'wrong-password', strict))
    expect(await refused(login('alice', 'hunter22', strict))).toContain('rate_limit_exceeded')
    clock.pass(900_001)
    expect((await login('alice', 'hunter22', strict)).user_id).toBe('alice')
  })
})

describe('invitations', () => {
  const invitations = () => new Invitations(world.plane, clock)
  const claim = (id: string, token: string | undefined, more: object = {}) =>
    invitations().claim({ id, userId: 'alice', password: 'a new password', token, address: '', ...more })

  it('let a user set the first password, once', async () => {
    await user('alice', { email: 'a@x.com' })
    const invitation = await invitations().create('alice', actor)
    expect(invitation).toMatchObject({
      user_id: 'alice',
      is_accepted: false,
      accepted_at: null,
      created_by: 'test',
      expires_at: '2026-03-08T12:00:00.000Z',
    })
    const { token } = await invitations().open(invitation.id)
    expect((await claim(invitation.id, token)).user_id).toBe('alice')
    expect((await login('a@x.com', 'a new password')).user_id).toBe('alice')
    expect(await refused(claim(invitation.id, token))).toContain('invalid_api_key')
    expect(await refused(invitations().open(invitation.id))).toContain('invalid_api_key')
    expect(await invitations().find(invitation.id)).toMatchObject({ is_accepted: true })
  })

  it('are known to the store by a hash only', async () => {
    await user('alice')
    const { id } = await invitations().create('alice', actor)
    const rows = await world.plane.store.db.selectFrom('invitations').selectAll().execute()
    expect(JSON.stringify([rows, world.audit])).not.toContain(id)
    expect(await refused(invitations().open(rows[0]!.id))).toContain('invalid_api_key')
  })

  it('need the link, its user, its opening, and a good password', async () => {
    await user('alice')
    await user('bob')
    const { id } = await invitations().create('alice', actor)
    const { token } = await invitations().open(id)
    expect(await refused(claim(id, token, { userId: 'bob' }))).toContain('invalid_api_key')
    expect(await refused(claim(id, undefined))).toContain('invalid_api_key')
    expect(await refused(claim(id, 'guess'))).toContain('invalid_api_key')
    const other = await invitations().create('bob', actor)
    const opened = await invitations().open(other.id)
    expect(await refused(claim(id, opened.token))).toContain('invalid_api_key')
    expect(await refused(claim(id, token, { password: 'short' }))).toContain('invalid_request')
    await claim(id, token)
  })

  it('two claims at once set one password', async () => {
    await user('alice')
    const { id } = await invitations().create('alice', actor)
    const { token } = await invitations().open(id)
    const outcomes = await Promise.allSettled(
      ['first password', 'second password'].map(password => claim(id, token, { password })),
    )
    expect(outcomes.filter(outcome => outcome.status === 'fulfilled')).toHaveLength(1)
  })

  it('expire: the link after a week, its opening after a quarter of an hour', async () => {
    await user('alice')
    const { id } = await invitations().create('alice', actor)
    const { token } = await invitations().open(id)
    clock.pass(16 * 60_000)
    expect(await refused(claim(id, token))).toContain('invalid_api_key')
    clock.pass(7 * 86_400_000)
    expect(await refused(invitations().open(id))).toContain('invalid_api_key')
  })

  it('can be looked at, closed and removed', async () => {
    await user('alice')
    const { id } = await invitations().create('alice', actor)
    expect(await invitations().update(id, true, actor)).toMatchObject({ is_accepted: true })
    expect(await refused(invitations().open(id))).toContain('invalid_api_key')
    await invitations().delete(id, actor)
    expect(await refused(invitations().find(id))).toContain('not_found')
    expect(await refused(invitations().create('nobody', actor))).toContain('not_found')
  })
})

describe('the first administrator', () => {
  const first = () => new FirstRun(world.plane, clock, text => text === 'sk-master-key')
  const create = (token: string, more: object = {}) =>
    first().createAdmin({ token, email: 'root@x.com', password: 'a long password', ...more }, '')

  it('is made with the one-time token, once', async () => {
    const token = (await first().issueToken())!
    expect(await first().needed()).toBe(true)
    expect(JSON.stringify(await world.plane.store.db.selectFrom('settings').selectAll().execute())).not.toContain(token)
    for (const wrong of ['', 'admin', `${token}x`]) expect(await refused(create(wrong))).toContain('invalid_api_key')
    expect(await create(token)).toMatchObject({ user_role: 'proxy_admin', user_email: 'root@x.com' })
    expect((await login('root@x.com', 'a long password')).user_role).toBe('proxy_admin')
    expect(await first().needed()).toBe(false)
    expect(await first().issueToken()).toBeUndefined()
    expect(await refused(create(token))).toContain('conflict')
    expect(await refused(create('sk-master-key', { email: 'x@x.com' }))).toContain('conflict')
  })

  it('is made with the master key as well, and by one of many at once', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 3 }, (_, index) => create('sk-master-key', { email: `root${index}@x.com` })),
    )
    expect(outcomes.filter(outcome => outcome.status === 'fulfilled')).toHaveLength(1)
    expect(await world.plane.store.db.selectFrom('users').selectAll().execute()).toHaveLength(1)
  })

  it('cannot be made with an old token, or with bad fields', async () => {
    const issued = await Promise.all([1, 2, 3].map(() => first().issueToken()))
    const [token, ...others] = issued.filter(one => one !== undefined)
    expect(others).toEqual([])
    expect(await first().issueToken()).toBeUndefined()
    expect(await refused(create(token!, { email: 'nobody' }))).toContain('email')
    expect(await refused(create(token!, { password: 'short' }))).toContain('password')
    clock.pass(25 * 3_600_000)
    expect(await refused(create(token!))).toContain('invalid_api_key')
    const renewed = (await first().issueToken())!
    expect(await refused(create(token!))).toContain('invalid_api_key')
    expect((await create(renewed)).user_role).toBe('proxy_admin')
  })

  it('stays shut when the last administrator is gone', async () => {
    await create('sk-master-key')
    await world.plane.store.db.deleteFrom('users').execute()
    expect(await first().needed()).toBe(false)
  })
})

describe('settings of logins', () => {
  it('have LiteLLM’s defaults', () => {
    expect(settings()).toMatchObject({
      lifetimes: { absolute: 86_400_000, cli: 86_400_000 },
      attempts: { perUser: 50, perSource: 250, windowMs: 900_000 },
      environmentLogin: { username: 'admin', password: undefined },
    })
    expect(settings({}, { LITELLM_UI_SESSION_DURATION: '30m', PROXY_BASE_URL: 'https://g.example/x/' })).toMatchObject({
      baseUrl: 'https://g.example/x',
      lifetimes: { absolute: 1_800_000 },
    })
  })
  it.each([
    [{}, { LITELLM_UI_SESSION_DURATION: 'for ever' }],
    [{}, { LITELLM_UI_SESSION_DURATION: '0s' }],
    [{}, { PROXY_BASE_URL: 'gateway.example.com' }],
    [{}, { PROXY_BASE_URL: 'javascript:alert(1)' }],
    [{}, { LITELLM_CLI_JWT_EXPIRATION_HOURS: '-1' }],
    [{ max_failed_login_attempts: 0 }, {}],
    [{ failed_login_window_seconds: 'x' }, {}],
  ])('%j %j is refused', (general, env) => {
    expect(() => readLoginSettings(general, env as Record<string, string>)).toThrow(GatewayError)
  })
})
