import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram, freePort, type Service, startService } from './service.ts'

export interface RedisServerOptions {
  /** Further settings, as on the command line: `{ requirepass: 'secret', maxmemory: '10mb' }`. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Every write reaches the kernel before its answer, so it survives a killed server. Default false: nothing is kept. */
  readonly durable?: boolean
}

export interface RedisCluster {
  /** Primaries, each with a third of the slots. */
  readonly nodes: readonly Service[]
  stop(): Promise<void>
}

export interface RedisSentinels {
  /** What the sentinels call the primary. */
  readonly name: string
  readonly primary: Service
  readonly replica: Service
  readonly sentinels: readonly Service[]
  stop(): Promise<void>
}

const host = '127.0.0.1'
const slots = 16_384

/** Valkey's names are tried as well: it is the same protocol and configuration. */
const server = (): string | undefined => findProgram('redis-server') ?? findProgram('valkey-server')
const cli = (): string | undefined => findProgram('redis-cli') ?? findProgram('valkey-cli')

/** Why Redis cannot be started here; undefined: it can. */
export function redisMissing(): string | undefined {
  return server() === undefined || cli() === undefined ? 'Redis is not installed (apt-get install redis)' : undefined
}

/** An empty Redis on a loopback port, in about 100 ms. */
export async function startRedis(options: RedisServerOptions = {}): Promise<Service> {
  const port = await freePort()
  return launch(`redis://${host}:${port}`, port, {
    ...(options.durable === true ? { appendonly: 'yes', appendfsync: 'no' } : {}),
    ...options.settings,
  })
}

/** Three primaries without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const buses = [await freePort(), await freePort(), await freePort()]
  const nodes = await together(
    buses.map(async bus => {
      const port = await freePort()
      return launch(`redis://${host}:${port}`, port, {
        'cluster-enabled': 'yes',
        'cluster-port': bus,
        'cluster-node-timeout': 1000,
      })
    }),
  )
  for (const [i, { port }] of nodes.entries()) {
    const from = Math.floor((i * slots) / nodes.length)
    const to = Math.floor(((i + 1) * slots) / nodes.length) - 1
    redisCli(port, 'CLUSTER', 'ADDSLOTSRANGE', String(from), String(to))
    for (const [j, other] of nodes.entries()) {
      if (i !== j) redisCli(port, 'CLUSTER', 'MEET', host, String(other.port), String(buses[j]))
    }
  }
  await Promise.all(
    nodes.map(({ port }) => until(() => redisCli(port, 'CLUSTER', 'INFO').includes('cluster_state:ok'))),
  )
  return { nodes, stop: () => stopAll(nodes) }
}

/** A primary, its replica and three sentinels, which promote the replica after a second without the primary. */
export async function startRedisSentinels(options: RedisServerOptions = {}): Promise<RedisSentinels> {
  const name = 'mymaster'
  const primary = await startRedis(options)
  const replica = await startRedis({ settings: { ...options.settings, replicaof: `${host} ${primary.port}` } })
  const sentinels = await together(
    [1, 2, 3].map(async () => {
      const port = await freePort()
      return launch(`redis://${host}:${port}`, port, { sentinel: `monitor ${name} ${host} ${primary.port} 2` }, true)
    }),
  )
  for (const { port } of sentinels) {
    redisCli(port, 'SENTINEL', 'SET', name, 'down-after-milliseconds', '1000', 'failover-timeout', '5000')
  }
  const knows = (port: number): boolean => {
    const lines = redisCli(port, 'SENTINEL', 'MASTER', name).split('\n')
    const field = (label: string): string | undefined => lines[lines.indexOf(label) + 1]
    return field('num-slaves') === '1' && field('num-other-sentinels') === '2'
  }
  await Promise.all(sentinels.map(({ port }) => until(() => knows(port))))
  return { name, primary, replica, sentinels, stop: () => stopAll([...sentinels, replica, primary]) }
}

/** One command, its answer as text. */
export function redisCli(port: number, ...command: readonly string[]): string {
  return execFileSync(cli() ?? 'redis-cli', ['-h', host, '-p', String(port), ...command], { encoding: 'utf8' }).trim()
}

async function launch(
  url: string,
  port: number,
  settings: Readonly<Record<string, string | number>>,
  sentinel = false,
): Promise<Service> {
  const program = server()
  if (program === undefined) throw new Error(redisMissing())
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-redis-'))
  const all = { port, bind: host, dir: folder, save: '', 'enable-debug-command': 'yes', ...settings }
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, ...words(value)])
  // A sentinel keeps what it learns in its config file, and insists on one that it can write.
  const config = join(folder, 'redis.conf')
  writeFileSync(config, '')
  try {
    return await startService({
      name: sentinel ? 'the sentinel' : 'Redis',
      command: [program, config, ...(sentinel ? ['--sentinel'] : []), ...args],
      folder,
      url,
      port,
      ready: sentinel ? /Sentinel ID is/ : /Ready to accept connections/,
    })
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

const words = (value: string | number): string[] => (value === '' ? [''] : String(value).split(' '))

/** All of them, or none stays behind. */
async function together(starting: readonly Promise<Service>[]): Promise<readonly Service[]> {
  const results = await Promise.allSettled(starting)
  const started = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find(result => result.status === 'rejected')
  if (failed === undefined) return started
  await stopAll(started)
  throw failed.reason
}

const stopAll = async (services: readonly Service[]): Promise<void> => {
  await Promise.all(services.map(service => service.stop()))
}

async function until(holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (holds()) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error('Redis did not come together within 10 s')
}
