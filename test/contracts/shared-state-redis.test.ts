import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { RedisState } from '../../src/platform/shared-state/redis/redis-state.ts'
import { redisCli, redisMissing, startRedis } from '../harness/services/redis.ts'
import { type Service, usable } from '../harness/services.ts'
import { eventually } from './shared-state/eventually.ts'
import { forever, item, live, longTtl, standOf, unique } from './shared-state/world.ts'
import { clockScript, quiet } from './shared-state/worlds.ts'

/** What Redis sees of it: how often it is asked, and what it keeps. */

describe.skipIf(!usable(redisMissing()))('Redis', () => {
  let server: Service
  const opened: RedisState[] = []
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(state => state.close()))
    cli('FLUSHALL')
  })
  const cli = (...command: string[]): string => redisCli(server.port, ...command)
  const open = async (prefix = unique(), script?: string): Promise<RedisState> => {
    const place = { kind: 'standalone', host: '127.0.0.1', port: server.port } as const
    const state = await RedisState.open({ place, prefix, commandTimeout: 5000 }, quiet, script)
    opened.push(state)
    return state
  }
  /** Commands of clients, by name; those of the tool that asks are left out, as is the sign of life. */
  const asked = (): Record<string, number> => {
    const lines = cli('INFO', 'commandstats').matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)
    const clients = ['evalsha', 'eval', 'get', 'set', 'del', 'publish', 'subscribe', 'multi', 'ping']
    return Object.fromEntries(
      [...lines].map(([, name, calls]) => [name, Number(calls)]).filter(([name]) => clients.includes(String(name))),
    )
  }

  it('is asked once for a reservation, whatever the number of its limits', async () => {
    const state = await open()
    const limits = Array.from({ length: 12 }, (_, i) => item(`limit ${i}`, 1000, { window: i % 2 ? live : forever }))
    cli('CONFIG', 'RESETSTAT')
    const calls = 20
    for (let i = 0; i < calls; i++) {
      expect((await state.reserve(`call ${i}`, limits, longTtl)).granted).toBe(true)
      // Travels with the next reservation.
      state.settle(
        `call ${i}`,
        limits.map(() => 1),
      )
    }
    const { evalsha, ...others } = asked()
    expect(others).toEqual({})
    // The sign of life, once a second, may fall between.
    expect(evalsha).toBeGreaterThanOrEqual(calls)
    expect(evalsha).toBeLessThanOrEqual(calls + 5)
    await state.flush()
    expect(await standOf(state, 'limit 0')).toEqual([calls, 0])
  })

  it('is asked once for all that is asked in one turn', async () => {
    const state = await open()
    cli('CONFIG', 'RESETSTAT')
    await Promise.all([
      ...Array.from({ length: 200 }, (_, i) => state.reserve(`call ${i}`, [item('limit', 1000)], longTtl)),
      state.read(['limit', 'other']),
      state.add([{ key: 'other', amount: 1, window: forever }]),
    ])
    expect(asked()['evalsha']).toBeLessThanOrEqual(3)
  })

  it('forgets what is over by itself', async () => {
    const prefix = unique()
    const { tag, script } = clockScript(prefix)
    const start = Math.floor(Date.now() / 1000)
    const time = (seconds: number): string =>
      cli('MSET', `${tag}:seconds`, String(start + seconds), `${tag}:micros`, '0')
    time(0)
    const state = await open(prefix, script)
    const [counters, leases] = [`${tag}:counters`, `${tag}:leases`]
    const until = { kind: 'until', at: (start + 100) * 1000 } as const
    for (let i = 0; i < 50; i++) {
      const items = [
        item(`rate ${i}`, 10, { window: { kind: 'rate', ms: 10_000 } }),
        item(`until ${i}`, 10, { window: until }),
      ]
      await state.reserve(`settled ${i}`, [...items, item(`live ${i}`, 10, { window: live })], longTtl)
      await state.reserve(`expires ${i}`, [item(`live ${i}`, 10, { window: live })], 5000)
      state.settle(`settled ${i}`, [1, 1, 1])
    }
    await state.reserve('last', [item('forever', 10)], 5000)
    await state.flush()
    // With what every connection tries first.
    expect([cli('HLEN', leases), cli('ZCARD', `${tag}:lease-ends`)]).toEqual(['52', '52'])
    expect(cli('HLEN', counters)).toBe(String(3 * 50 + 2))
    time(10)
    await eventually(() => cli('HLEN', counters)).toBe(String(50 + 2))
    // A counter `until` stays a minute, for clocks that are late.
    time(159)
    await eventually(() => cli('HLEN', counters)).toBe(String(50 + 1))
    time(160)
    await eventually(() => cli('HKEYS', counters)).toBe('forever')
    // The records of expired leases, for late settlements.
    expect(cli('HLEN', leases)).toBe('51')
    time(10 + 3600)
    await eventually(() => cli('HLEN', leases)).toBe('0')
    expect(cli('KEYS', `${tag}:*`).split('\n').sort()).toEqual([counters, `${tag}:micros`, `${tag}:seconds`])
  })

  it('counts the time by its own clock', async () => {
    const state = await open()
    const take = () => state.reserve(unique(), [item('limit', 2, { window: { kind: 'rate', ms: 400 } })], longTtl)
    const first = await take()
    const [seconds, micros] = cli('TIME').split('\n').map(Number)
    const now = seconds! * 1000 + micros! / 1000
    expect(first.values[0]!.resetAt! - now).toBeLessThanOrEqual(400)
    await take()
    expect((await take()).granted).toBe(false)
    await eventually(async () => (await take()).granted).toBe(true)
    const key = unique()
    await state.reserve(unique(), [item(key, 1)], 300)
    expect(await standOf(state, key)).toEqual([0, 1])
    await eventually(() => standOf(state, key)).toEqual([0, 0])
  })

  it('refuses names that are too long without harm to others', async () => {
    const state = await open()
    const long = 'x'.repeat(16_001)
    const good = state.reserve(unique(), [item('limit', 5)], longTtl)
    const bad = state.reserve(unique(), [item(long, 5)], longTtl)
    await expect(bad).rejects.toBeInstanceOf(RangeError)
    expect((await good).granted).toBe(true)
    await expect(state.reserve(long, [], longTtl)).rejects.toBeInstanceOf(RangeError)
    await expect(state.read([long])).rejects.toBeInstanceOf(RangeError)
    state.settle(long, [1])
    await state.flush()
    expect((await state.reserve(unique(), [item('ä'.repeat(16_000), 5)], longTtl)).granted).toBe(true)
  })
})
