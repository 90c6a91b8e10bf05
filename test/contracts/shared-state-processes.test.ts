import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FleetServer } from '../../src/platform/shared-state/fleet/fleet-server.ts'
import { ipcPort } from '../../src/platform/shared-state/fleet/ipc.ts'
import { MemoryState } from '../../src/platform/shared-state/memory/memory-state.ts'
import type { RedisOptions } from '../../src/platform/shared-state/redis/options.ts'
import { RedisState } from '../../src/platform/shared-state/redis/redis-state.ts'
import type { SharedState } from '../../src/platform/shared-state/shared-state.ts'
import { type RedisCluster, redisMissing, startRedis, startRedisCluster } from '../harness/services/redis.ts'
import { type Service, usable } from '../harness/services.ts'
import { ClientProcess } from './shared-state/client-process.ts'
import { eventually } from './shared-state/eventually.ts'
import { standOf, unique } from './shared-state/world.ts'

/** Real processes that use one shared state. */

const host = '127.0.0.1'
const redis = usable(redisMissing())
const patient = { commandTimeout: 10_000 }

interface Several {
  /** Sees the same counters. */
  readonly observer: () => SharedState
  readonly start: () => Promise<ClientProcess>
}

function processesShare({ observer, start }: Several): void {
  let clients: readonly ClientProcess[]
  beforeAll(async () => {
    clients = await Promise.all(Array.from({ length: 4 }, start))
  })
  afterAll(() => Promise.all(clients.map(client => client.kill())))
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

  it.each([1, 2, 4])('grants exactly what fits to 10,000 calls at once of %i processes', async count => {
    const key = unique()
    const some = clients.slice(0, count)
    const granted = await Promise.all(some.map(client => client.tell('take', key, 1000, 10_000 / count, 60_000)))
    expect(sum(granted)).toBe(1000)
    expect(await standOf(observer(), key)).toEqual([0, 1000])
  })

  it('counts every use once, and overspends by one call at most', async () => {
    const [budget, worst] = [100_000, 60]
    const key = unique()
    const used = await Promise.all(clients.map(client => client.tell('spend', key, budget, 2000, worst)))
    const [spent, reserved] = await standOf(observer(), key)
    expect([spent, reserved]).toEqual([sum(used), 0])
    expect(spent).toBeGreaterThan(budget / 2)
    expect(spent).toBeLessThan(budget + worst)

    const small = unique()
    const few = await Promise.all(clients.map(client => client.tell('spend', small, 1000, 500, worst)))
    expect(await standOf(observer(), small)).toEqual([sum(few), 0])
    expect(sum(few)).toBeGreaterThanOrEqual(1000)
    expect(sum(few)).toBeLessThan(1000 + worst)
  })

  it('never lets more run in parallel than may', async () => {
    const key = unique()
    const most = await Promise.all(clients.map(client => client.tell('overlap', key, 7, 500)))
    expect(Math.max(...most)).toBe(7)
    expect(await standOf(observer(), key)).toEqual([0, 0])
  })

  it('gives back what a killed process held', async () => {
    const key = unique()
    const [survivor] = clients
    const victim = await start()
    expect(await victim.tell('take', key, 500, 1000, 1500)).toBe(500)
    expect(await survivor!.tell('take', key, 500, 10, 1500)).toBe(0)
    await victim.kill()
    await eventually(() => standOf(observer(), key)).toEqual([0, 0])
    expect(await survivor!.tell('take', key, 500, 1000, 60_000)).toBe(500)
  })
}

describe('workers of one primary', () => {
  const primary = new MemoryState()
  const server = new FleetServer(primary)
  let workers = 0
  afterAll(() => primary.close())
  const start = async (): Promise<ClientProcess> => {
    const client = new ClientProcess()
    server.connect(++workers, ipcPort(client.child))
    await client.tell('open')
    return client
  }
  processesShare({ observer: () => primary, start })

  it('give back at once what they held when they end, however long its lease', async () => {
    const key = unique()
    const worker = await start()
    expect(await worker.tell('take', key, 500, 1000, 3_600_000)).toBe(500)
    await worker.kill()
    await eventually(() => standOf(primary, key)).toEqual([0, 0])
  })
})

function replicas(options: () => RedisOptions): void {
  let state: RedisState
  beforeAll(async () => {
    state = await RedisState.open(options())
  })
  afterAll(() => state.close())
  const start = async (): Promise<ClientProcess> => {
    const client = new ClientProcess()
    await client.tell('open', options())
    return client
  }
  processesShare({ observer: () => state, start })
}

describe.skipIf(!redis)('replicas over Redis', () => {
  let server: Service
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  replicas(() => ({ place: { kind: 'standalone', host, port: server.port }, ...patient }))
})

describe.skipIf(!redis)('replicas over a Redis cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  afterAll(() => cluster.stop())
  replicas(() => ({
    place: { kind: 'cluster', nodes: cluster.nodes.map(({ port }) => ({ host, port })) },
    ...patient,
  }))
})
