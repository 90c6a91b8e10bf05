import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Secret } from '../../src/platform/security/secret.ts'
import { openSharedState } from '../../src/platform/shared-state/open.ts'
import { type RedisOptions, redisOptionsOfUrl } from '../../src/platform/shared-state/redis/options.ts'
import type { SharedState } from '../../src/platform/shared-state/shared-state.ts'
import { redisCli, redisMissing, startRedis } from '../harness/services/redis.ts'
import { type Service, usable } from '../harness/services.ts'
import { eventually } from './shared-state/eventually.ts'
import { comesBack, Diary, reserveOnce } from './shared-state/outage.ts'
import { standOf, unique } from './shared-state/world.ts'

/** How Redis is reached: passwords, users, databases, TLS, sockets. */

const host = '127.0.0.1'
const secret = (text: string): Secret => new Secret(text)

describe.skipIf(!usable(redisMissing()))('logging in to Redis', () => {
  let server: Service
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'routeiq-redis-login-'))
    server = await startRedis({ settings: { requirepass: 'hunter2', unixsocket: join(folder, 'redis.sock') } })
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const admin = (...command: string[]): string =>
    redisCli(server.port, '-a', 'hunter2', '--no-auth-warning', ...command)

  const with_ = async (options: RedisOptions, use: (state: SharedState, diary: Diary) => Promise<void>) => {
    const diary = new Diary()
    const state = await openSharedState({ kind: 'redis', redis: options }, diary)
    try {
      await use(state, diary)
    } finally {
      await state.close()
    }
  }
  const place = () => ({ kind: 'standalone', host, port: server.port }) as const

  it('works with a password, in a database of its own, from a URL', async () => {
    const url = (db: number) => `redis://:hunter2@${host}:${server.port}/${db}`
    const key = unique()
    await with_(redisOptionsOfUrl(url(2), secret), async state => {
      await reserveOnce(state, key)
      expect(await standOf(state, key)).toEqual([0, 1])
      expect(state.kind).toBe('redis')
    })
    expect(admin('-n', '2', 'HEXISTS', '{routeiq}:counters', key)).toBe('1')
    await with_(redisOptionsOfUrl(url(0), secret), async state => expect(await standOf(state, key)).toEqual([0, 0]))
  })

  it('works over a socket', async () => {
    const options = redisOptionsOfUrl(`unix://${join(folder, 'redis.sock')}`, secret)
    await with_({ ...options, password: secret('hunter2') }, async state => {
      await reserveOnce(state, unique())
    })
  })

  it('refused: unreachable with the reason, without the password, until it is right', async () => {
    let password = 'hunter3'
    const options = { place: place(), password: async () => secret(password) }
    await with_(options, async (state, diary) => {
      expect(state.available).toBe(false)
      expect(diary.reasons).toHaveLength(1)
      expect(diary.reasons[0]).toMatch(/WRONGPASS/)
      expect(diary.reasons[0]).not.toMatch(/hunter/)
      await expect(reserveOnce(state, unique())).rejects.not.toThrow(/hunter/)
      password = 'hunter2'
      await comesBack(state)
      await reserveOnce(state, unique())
    })
    await with_({ place: place() }, async (state, diary) => {
      expect(state.available).toBe(false)
      expect(diary.reasons[0]).toMatch(/NOAUTH/)
    })
  })

  it('works as a user that may do no more than it needs', async () => {
    const prefix = unique()
    const rights = [`~{${prefix}}:*`, `&{${prefix}}:*`, '-@all', '+@connection', '+@read', '+@write', '+@pubsub']
    admin('ACL', 'SETUSER', 'gateway', 'on', '>gate', ...rights, '+@scripting', '+time', '-@dangerous')
    const options = { place: place(), username: 'gateway', password: secret('gate'), prefix }
    await with_(options, async (state, diary) => {
      const key = unique()
      const heard: string[] = []
      state.subscribe('news', message => heard.push(message))
      await reserveOnce(state, key)
      await state.set(key, 'value', 1000)
      await state.increment(`${key}:count`, 1000)
      await (await state.lock(key, 1000))?.release()
      await state.publish('news', 'hello')
      await eventually(() => heard).toEqual(['hello'])
      expect(diary).toMatchObject({ reasons: [], failures: [] })
    })
    admin('ACL', 'SETUSER', 'gateway', '-time')
    await with_(options, async (state, diary) => {
      expect(state.available).toBe(false)
      expect(diary.reasons[0]).toMatch(/can't run this command|NOPERM/)
      admin('ACL', 'SETUSER', 'gateway', '+time')
      await comesBack(state)
    })
    await with_({ ...options, prefix: unique() }, async (state, diary) => {
      expect(state.available).toBe(false)
      expect(diary.reasons[0]).toMatch(/NOPERM/)
    })
  })

  it('keeps deployments with different prefixes apart', async () => {
    const key = unique()
    const [a, b] = [unique(), unique()].map(prefix => ({ place: place(), password: secret('hunter2'), prefix }))
    await with_(a!, async first => {
      await with_(b!, async second => {
        const heard: string[] = []
        second.subscribe('news', message => heard.push(message))
        await second.get('x')
        await reserveOnce(first, key)
        await first.set(key, 'value', undefined)
        await first.publish('news', 'first')
        await second.publish('news', 'second')
        expect(await standOf(second, key)).toEqual([0, 0])
        expect(await second.get(key)).toBeUndefined()
        await eventually(() => heard).toEqual(['second'])
      })
    })
  })

  it('refuses a prefix that is no hash tag', async () => {
    await expect(openSharedState({ kind: 'redis', redis: { place: place(), prefix: '{a}' } })).rejects.toThrow(
      RangeError,
    )
  })
})

describe.skipIf(!usable(redisMissing()))('Redis over TLS', () => {
  let server: Service
  let folder: string
  let ca: string
  let port: number
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'routeiq-redis-tls-'))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=redis.test']
    execFileSync('openssl', [...made, '-addext', 'subjectAltName=DNS:redis.test', '-keyout', key, '-out', cert], {
      stdio: 'pipe',
    })
    ca = readFileSync(cert, 'utf8')
    const files = { 'tls-cert-file': cert, 'tls-key-file': key, 'tls-ca-cert-file': cert, 'tls-auth-clients': 'no' }
    server = await startRedis({ settings: files })
    // The harness looks for a port of its own; the second one speaks TLS.
    port = server.port
    redisCli(port, 'CONFIG', 'SET', 'port', '0', 'tls-port', String(port))
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is encrypted, and the certificate is checked', async () => {
    const open = async (tls: RedisOptions['tls'], diary: Diary) =>
      openSharedState({ kind: 'redis', redis: { place: { kind: 'standalone', host, port }, tls } }, diary)
    for (const tls of [{ ca, servername: 'redis.test' }, { rejectUnauthorized: false }]) {
      const state = await open(tls, new Diary())
      await reserveOnce(state, unique())
      await state.close()
    }
    for (const [tls, reason] of [
      [{}, /self-signed/],
      [{ ca, servername: 'other.test' }, /not in the cert|altnames/],
      [undefined, /./],
    ] as const) {
      const diary = new Diary()
      const state = await open(tls, diary)
      expect(state.available).toBe(false)
      expect(diary.reasons[0]).toMatch(reason)
      await state.close()
    }
  })
})
