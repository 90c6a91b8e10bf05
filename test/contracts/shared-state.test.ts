import { afterAll, beforeAll, describe } from 'vitest'
import { type RedisCluster, redisMissing, startRedis, startRedisCluster } from '../harness/services/redis.ts'
import { type Service, usable } from '../harness/services.ts'
import { sharedStateContract } from './shared-state/suite.ts'
import { channelWorld, clusterWorld, forkWorld, memoryWorld, redisWorld } from './shared-state/worlds.ts'

const host = '127.0.0.1'
const redis = usable(redisMissing())

describe('shared state in memory', () => sharedStateContract(memoryWorld))

describe('shared state of a fleet, over a message channel', () => sharedStateContract(channelWorld))

describe('shared state of a fleet, over processes', () => sharedStateContract(forkWorld))

describe.skipIf(!redis)('shared state in Redis', () => {
  let server: Service
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  sharedStateContract(() => redisWorld({ host, port: server.port }))
})

describe.skipIf(!redis)('shared state in a Redis cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  afterAll(() => cluster.stop())
  sharedStateContract(() => clusterWorld(cluster.nodes.map(({ port }) => ({ host, port }))))
})
