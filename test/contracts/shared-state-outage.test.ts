import type { ChildProcess } from 'node:child_process'
import { createClient } from '@redis/client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FleetState } from '../../src/platform/shared-state/fleet/fleet-state.ts'
import { ipcPort } from '../../src/platform/shared-state/fleet/ipc.ts'
import type { MessagePort } from '../../src/platform/shared-state/fleet/messages.ts'
import { redisKeys } from '../../src/platform/shared-state/redis/keys.ts'
import { decodeAnswers, encodeOperations } from '../../src/platform/shared-state/redis/lease-codec.ts'
import { leaseScript } from '../../src/platform/shared-state/redis/lease-script.ts'
import type { RedisOptions } from '../../src/platform/shared-state/redis/options.ts'
import { RedisState } from '../../src/platform/shared-state/redis/redis-state.ts'
import type { Operation } from '../../src/platform/shared-state/remote/operation.ts'
import { StateUnavailable } from '../../src/platform/shared-state/shared-state.ts'
import {
  redisCli,
  redisMissing,
  startRedis,
  startRedisCluster,
  startRedisSentinels,
} from '../harness/services/redis.ts'
import { type Service, usable } from '../harness/services.ts'
import { eventually } from './shared-state/eventually.ts'
import { comesBack, countsOnceThrough, Diary, failsFast, reserveOnce, stands } from './shared-state/outage.ts'
import { item, longTtl, sleep, standOf, unique } from './shared-state/world.ts'
import { forkPrimary, membersPort } from './shared-state/worlds.ts'

const host = '127.0.0.1'
const redis = usable(redisMissing())
const timeout = 500

describe.skipIf(!redis)('Redis that goes away', () => {
  let server: Service
  let state: RedisState
  let diary: Diary
  const opened: RedisState[] = []

  const open = async (given: Partial<RedisOptions> = {}): Promise<RedisState> => {
    const place = { kind: 'standalone', host, port: server.port } as const
    const another = await RedisState.open({ place, commandTimeout: timeout, ...given }, diary)
    opened.push(another)
    return another
  }

  beforeAll(async () => {
    server = await startRedis({ durable: true })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    diary = new Diary()
    state = await open()
  })
  afterEach(async () => {
    server.resume()
    await Promise.all(opened.splice(0).map(one => one.close()))
  })

  it('frozen: calls fail at once, and it comes back by itself', async () => {
    const key = unique()
    const id = await reserveOnce(state, key)
    let reconnected = 0
    state.onReconnect(() => reconnected++)
    server.pause()
    await failsFast(state, timeout)
    state.settle(id, [7])
    state.settle(id, [7])
    await expect(state.flush()).rejects.toBeInstanceOf(StateUnavailable)
    expect(reconnected).toBe(0)
    server.resume()
    await comesBack(state)
    await stands(state, key, 7, 0)
    expect(reconnected).toBe(1)
    expect(diary).toMatchObject({ reasons: ['Redis gave no answer within 500 ms'], failures: [], lostSettlements: 0 })
  })

  it('killed: calls fail at once, and what was settled meanwhile arrives once', async () => {
    const key = unique()
    const ids = [await reserveOnce(state, key), await reserveOnce(state, key)]
    await server.kill()
    await failsFast(state, timeout)
    for (const id of ids) state.settle(id, [5])
    await server.start()
    await comesBack(state)
    await stands(state, key, 10, 0)
    expect(diary.reasons).toHaveLength(1)
  })

  it('noticed without calls', async () => {
    server.pause()
    await eventually(() => state.available).toBe(false)
    server.resume()
    await comesBack(state)
  })

  it('away when the gateway starts', async () => {
    await server.kill()
    const early = await open()
    expect(early.available).toBe(false)
    await expect(reserveOnce(early, unique())).rejects.toBeInstanceOf(StateUnavailable)
    let reconnected = 0
    early.onReconnect(() => reconnected++)
    const heard: string[] = []
    early.subscribe('early', message => heard.push(message))
    await server.start()
    await comesBack(early)
    await reserveOnce(early, unique())
    expect(reconnected).toBe(1)
    await early.publish('early', 'hello')
    await eventually(() => heard).toEqual(['hello'])
  })

  it('keeps counting each use once through kills and freezes', async () => {
    const freeze = async (): Promise<void> => {
      server.pause()
      await sleep(2 * timeout)
      server.resume()
    }
    const kill = async (): Promise<void> => {
      await server.kill()
      await server.start()
    }
    await countsOnceThrough(state, [freeze, kill, freeze, kill])
    expect(diary.lostSettlements).toBe(0)
  })

  it('subscribes again', async () => {
    const [before, during, gone] = [unique(), unique(), unique()]
    const heard: string[] = []
    state.subscribe(before, message => heard.push(message))
    const stop = state.subscribe(gone, message => heard.push(message))
    await server.kill()
    await eventually(() => state.available).toBe(false)
    state.subscribe(during, message => heard.push(message))
    stop()
    await server.start()
    await comesBack(state)
    const other = await open()
    for (const channel of [before, during, gone]) await other.publish(channel, channel)
    await eventually(() => heard).toEqual([before, during])
  })

  it('drops the oldest settlements when there are too many, and says how many', async () => {
    const small = await open({ maxSettlements: 3 })
    const key = unique()
    const ids = []
    for (let i = 0; i < 5; i++) ids.push(await reserveOnce(small, key))
    server.pause()
    await expect(small.read([key])).rejects.toBeInstanceOf(StateUnavailable)
    for (const [i, id] of ids.entries()) small.settle(id, [10 ** i])
    expect(diary.lostSettlements).toBe(2)
    server.resume()
    await comesBack(small)
    await stands(small, key, 11_100, 2)
  })

  it('that forgot everything is seeded again', async () => {
    const key = unique()
    const seeded = item(key, 1000, { seed: async () => 400 })
    const id = unique()
    await state.reserve(id, [seeded], longTtl)
    redisCli(server.port, 'FLUSHALL')
    const again = await state.reserve(unique(), [seeded], longTtl)
    expect(again.values).toMatchObject([{ used: 400, reserved: 1 }])
    // Its lease is lost; nobody knows any more what it was.
    state.settle(id, [50])
    await state.flush()
    expect(await standOf(state, key)).toEqual([400, 1])
  })

  it('that forgot the script is told it again', async () => {
    const key = unique()
    const id = await reserveOnce(state, key)
    redisCli(server.port, 'SCRIPT', 'FLUSH')
    await reserveOnce(state, key)
    redisCli(server.port, 'SCRIPT', 'FLUSH')
    state.settle(id, [1])
    await state.flush()
    expect(await standOf(state, key)).toEqual([1, 1])
    expect(diary.reasons).toEqual([])
  })

  it('that is full counts as unreachable until there is room', async () => {
    const key = unique()
    const id = await reserveOnce(state, key)
    redisCli(server.port, 'CONFIG', 'SET', 'maxmemory', '1')
    try {
      await expect(reserveOnce(state, key)).rejects.toThrow(/OOM/)
      state.settle(id, [1])
      await expect(state.flush()).rejects.toBeInstanceOf(StateUnavailable)
    } finally {
      redisCli(server.port, 'CONFIG', 'SET', 'maxmemory', '0')
    }
    await reserveOnce(state, key)
    await stands(state, key, 1, 1)
    expect(diary.lostSettlements).toBe(0)
  })

  it('cancels what got no answer, also when that overtakes the reservation', async () => {
    const client = createClient({ socket: { host, port: server.port } })
    await client.connect()
    const keys = redisKeys().leases
    const run = async (...operations: Operation[]) => {
      const message = encodeOperations(operations)
      const command = ['EVAL', leaseScript, String(keys.length), ...keys, message]
      const answer = await client.sendCommand(command, { typeMapping: { 36: Buffer } })
      return decodeAnswers(answer as unknown as Buffer, operations)
    }
    const key = unique()
    const reserve = (id: string) =>
      ({ what: 'reserve', id, items: [item(key, 10)], ttl: longTtl, seeds: undefined }) as const
    const [early, late] = [unique(), unique()]
    expect(await run(reserve(early))).toMatchObject([{ granted: true }])
    await run({ what: 'cancel', id: early }, { what: 'cancel', id: late })
    // Sent again, because its answer was lost as well.
    await run({ what: 'cancel', id: late })
    expect(await run(reserve(late), { what: 'read', key })).toMatchObject(['duplicate', { used: 0, reserved: 0 }])
    client.destroy()
  })

  it('is not believed to be away because this process was busy', async () => {
    const pending = reserveOnce(state, unique())
    // Sent, and then busy for longer than the time-out: the answer lies in the socket.
    await sleep(5)
    const more = reserveOnce(state, unique())
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    const until = performance.now() + 2 * timeout
    while (performance.now() < until);
    await Promise.all([pending, more])
    expect(diary.reasons).toEqual([])
  })

  it('closes while away without waiting for it', async () => {
    const id = await reserveOnce(state, unique())
    server.pause()
    await expect(state.get('x')).rejects.toBeInstanceOf(StateUnavailable)
    state.settle(id, [1])
    await state.close()
    await expect(state.get('x')).rejects.toBeInstanceOf(StateUnavailable)
  })
})

describe.skipIf(!redis)('a Redis that is not the right one', () => {
  it('a replica: unreachable, with the reason', async () => {
    const { primary, replica, stop } = await startRedisSentinels()
    const diary = new Diary()
    const place = { kind: 'standalone', host, port: replica.port } as const
    const state = await RedisState.open({ place }, diary)
    expect(state.available).toBe(false)
    expect(diary.reasons[0]).toMatch(/READONLY/)
    redisCli(replica.port, 'REPLICAOF', 'NO', 'ONE')
    await comesBack(state)
    await reserveOnce(state, unique())
    // Back to being a replica, in the middle of it.
    redisCli(replica.port, 'REPLICAOF', host, String(primary.port))
    await eventually(() => reserveOnce(state, unique()).catch(String)).toMatch(/READONLY|cannot be reached/)
    await state.close()
    await stop()
  })

  it('behind sentinels: follows the failover', async () => {
    const { name, primary, sentinels, stop } = await startRedisSentinels()
    const diary = new Diary()
    const nodes = sentinels.map(({ port }) => ({ host, port }))
    const state = await RedisState.open({ place: { kind: 'sentinel', name, nodes } }, diary)
    const key = unique()
    const id = await reserveOnce(state, key)
    expect(Number(redisCli(primary.port, 'WAIT', '1', '5000'))).toBe(1)
    await primary.kill()
    await eventually(() => state.available).toBe(false)
    state.settle(id, [4])
    await comesBack(state)
    await stands(state, key, 4, 0)
    await state.close()
    await stop()
  })

  it('in a cluster: follows the slot to another node', async () => {
    const cluster = await startRedisCluster()
    const nodes = cluster.nodes.map(({ port }) => ({ host, port }))
    const told: string[] = []
    for (const node of nodes) {
      const alone = await RedisState.open(
        { place: { kind: 'standalone', ...node } },
        { lost: reason => told.push(reason.message) },
      )
      await alone.close()
    }
    // One of the three owns the slot; the others say what they are.
    expect(told).toEqual(Array(2).fill('this Redis is a node of a cluster; name it as one'))
    const diary = new Diary()
    const state = await RedisState.open({ place: { kind: 'cluster', nodes } }, diary)
    await reserveOnce(state, unique())
    const slot = redisCli(cluster.nodes[0]!.port, 'CLUSTER', 'KEYSLOT', redisKeys().tag)
    const owner = cluster.nodes.find(({ port }) => redisCli(port, 'CLUSTER', 'COUNTKEYSINSLOT', slot) !== '0')
    const next = cluster.nodes.find(node => node !== owner)
    const nextId = redisCli(next!.port, 'CLUSTER', 'MYID')
    redisCli(owner!.port, 'FLUSHALL')
    for (const { port } of [next!, owner!, ...cluster.nodes]) {
      redisCli(port, 'CLUSTER', 'SETSLOT', slot, 'NODE', nextId)
    }
    await eventually(() => reserveOnce(state, unique()).catch(String)).toMatch(/^t\d/)
    expect(diary.reasons[0]).toMatch(/MOVED/)
    expect(redisCli(next!.port, 'CLUSTER', 'COUNTKEYSINSLOT', slot)).not.toBe('0')
    await state.close()
    await cluster.stop()
  })
})

describe('a primary that goes away', () => {
  let child: ChildProcess
  let state: FleetState
  let diary: Diary

  beforeEach(async () => {
    diary = new Diary()
    child = await forkPrimary()
    child.send({ test: 'time', now: Date.now() })
    child.send({ test: 'connect', member: 1 })
    state = new FleetState(membersPort(ipcPort(child), 1), { timeout }, diary)
  })
  afterEach(async () => {
    child.kill('SIGCONT')
    await state.close()
    child.kill('SIGKILL')
  })
  it('blocked: calls fail at once, and it comes back by itself', async () => {
    const key = unique()
    const id = await reserveOnce(state, key)
    let reconnected = 0
    state.onReconnect(() => reconnected++)
    child.kill('SIGSTOP')
    await failsFast(state, timeout)
    state.settle(id, [7])
    state.settle(id, [7])
    child.kill('SIGCONT')
    await comesBack(state)
    await stands(state, key, 7, 0)
    expect(reconnected).toBe(1)
    expect(diary.reasons).toEqual(['the primary gave no answer within 500 ms'])
  })

  it('keeps counting each use once through blocks', async () => {
    const block = async (): Promise<void> => {
      child.kill('SIGSTOP')
      await sleep(2 * timeout)
      child.kill('SIGCONT')
    }
    await countsOnceThrough(state, [block, block, block])
    expect(diary.lostSettlements).toBe(0)
  })

  it('dead: calls fail at once', async () => {
    const pending = state.get('x')
    pending.catch(() => {})
    child.kill('SIGKILL')
    await eventually(() => state.available).toBe(false)
    await expect(reserveOnce(state, unique())).rejects.toBeInstanceOf(StateUnavailable)
    expect(diary.reasons.at(-1)).toBe('the primary is gone')
  })

  it('is not believed to be away because this process was busy', async () => {
    const pending = reserveOnce(state, unique())
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    const until = performance.now() + 2 * timeout
    while (performance.now() < until);
    await pending
    expect(diary.reasons).toEqual([])
  })

  it('closes while it is blocked', async () => {
    child.kill('SIGSTOP')
    await expect(state.get('x')).rejects.toBeInstanceOf(StateUnavailable)
    state.settle(unique(), [1])
    await state.close()
    await expect(state.get('x')).rejects.toBeInstanceOf(StateUnavailable)
  })
})

describe('a port that fails', () => {
  it('is an outage, not a crash', async () => {
    const port: MessagePort = {
      post: () => {
        throw new Error('the channel is closed')
      },
      onMessage: () => {},
    }
    const state = new FleetState(port)
    await expect(reserveOnce(state, unique())).rejects.toBeInstanceOf(StateUnavailable)
    await state.close()
  })
})
