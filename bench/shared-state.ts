/**
 * What a reservation of eight limits and its settlement cost: `node bench/shared-state.ts [calls]`.
 *
 * In memory: the time of both. Over Redis and over a primary: the CPU time of this process and of the other one per call,
 * at 1 and 64 calls at once; beside each a bare round trip of the same connection in the same run.
 */
import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createClient } from '@redis/client'
import { FleetServer } from '../src/platform/shared-state/fleet/fleet-server.ts'
import { FleetState } from '../src/platform/shared-state/fleet/fleet-state.ts'
import { ipcPort } from '../src/platform/shared-state/fleet/ipc.ts'
import { MemoryState } from '../src/platform/shared-state/memory/memory-state.ts'
import { RedisState } from '../src/platform/shared-state/redis/redis-state.ts'
import type { LeaseItem, SharedState } from '../src/platform/shared-state/shared-state.ts'
import { startRedis } from '../test/harness/services/redis.ts'

const callers = 1000
const used = [1, 350, 1, 350, 1, 350, 1_200_000, 1_200_000]
let serial = 0

/** Requests, tokens and calls at once of a key, requests and tokens of its team, three budgets. */
function limitsOf(caller: number): readonly LeaseItem[] {
  const key = `key:${String(caller).padStart(64, '0')}`
  const team = `team:team-${caller % 50}`
  const rate = { kind: 'rate', ms: 60_000 } as const
  const month = { kind: 'until', at: Date.now() + 30 * 86_400_000 } as const
  const item = (name: string, window: LeaseItem['window'], amount: number, overdraft: boolean): LeaseItem => ({
    key: name,
    window,
    limit: 1e15,
    amount,
    overdraft,
  })
  return [
    item(`${key}:requests:60s`, rate, 1, false),
    item(`${key}:tokens:60s`, rate, 1000, true),
    item(`${key}:parallel`, { kind: 'live' }, 1, false),
    item(`${team}:tokens:60s`, rate, 1000, true),
    item(`${team}:requests:60s`, rate, 1, false),
    item(`user:user-${caller}:tokens:60s`, rate, 1000, true),
    item(`${key}:budget:30d`, month, 5_000_000, true),
    item(`${team}:budget:30d`, month, 5_000_000, true),
  ]
}
const limits = Array.from({ length: callers }, (_, caller) => limitsOf(caller))

function memory(calls: number): void {
  const state = new MemoryState()
  const ids = Array.from({ length: 1000 }, (_, i) => `a-process-of-its-own${i}`)
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    for (let i = 0; i < calls; i++) {
      const id = ids[i % ids.length] as string
      // A thousand calls are under way at any time.
      state.settle(id, used)
      const result = state.reserve(id, limits[(i * 7) % callers] as readonly LeaseItem[], 60_000)
      if (!('granted' in result) || !result.granted) throw new Error('a call was refused')
    }
    best = Math.min(best, ((performance.now() - start) * 1e6) / calls)
  }
  console.log(`memory: ${best.toFixed(0)} ns per reservation and settlement`)
  void state.close()
}

async function call(state: SharedState): Promise<void> {
  const id = `a-process-of-its-own${++serial}`
  const result = await state.reserve(id, limits[serial % callers] as readonly LeaseItem[], 60_000)
  if (!result.granted) throw new Error('a call was refused')
  state.settle(id, used)
}

interface Cost {
  readonly own: number
  readonly other: number
  readonly rate: number
}

/** CPU microseconds of this process and of another for each of `calls`. */
async function cost(pid: number, calls: number, atOnce: number, work: () => Promise<unknown>): Promise<Cost> {
  const run = async (count: number): Promise<void> => {
    let left = count
    const worker = async (): Promise<void> => {
      while (left-- > 0) await work()
    }
    await Promise.all(Array.from({ length: atOnce }, worker))
  }
  await run(calls / 5)
  const [before, otherBefore, start] = [process.cpuUsage(), cpuOf(pid), performance.now()]
  await run(calls)
  const { user, system } = process.cpuUsage(before)
  const seconds = (performance.now() - start) / 1000
  return { own: (user + system) / calls, other: (cpuOf(pid) - otherBefore) / calls, rate: calls / seconds }
}

/** User and system microseconds so far; the kernel counts in hundredths of a second. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function show(name: string, atOnce: number, { own, other, rate }: Cost, bare: Cost, there: string): void {
  console.log(
    `${name}, ${atOnce} at once: here ${own.toFixed(1)} µs, ${there} ${other.toFixed(1)} µs of CPU per call, ` +
      `${rate.toFixed(0)}/s; bare round trip here ${bare.own.toFixed(1)} µs, ${there} ${bare.other.toFixed(1)} µs; ` +
      `ratio ${(own / bare.own).toFixed(2)}, ${(other / bare.other).toFixed(2)}`,
  )
}

async function redis(calls: number): Promise<void> {
  const server = await startRedis()
  const state = await RedisState.open({ place: { kind: 'standalone', host: '127.0.0.1', port: server.port } })
  const client = await createClient({ url: server.url, commandOptions: { timeout: 0 } }).connect()
  for (const atOnce of [1, 64]) {
    const bare = await cost(server.pid, calls, atOnce, () => client.ping())
    show('Redis', atOnce, await cost(server.pid, calls, atOnce, () => call(state)), bare, 'Redis')
  }
  client.destroy()
  await state.close()
  await server.stop()
}

async function fleet(calls: number): Promise<void> {
  const primary = fork(new URL(import.meta.url).pathname, ['primary'])
  const state = new FleetState(ipcPort(primary))
  for (const atOnce of [1, 64]) {
    const bare = await cost(primary.pid ?? 0, calls, atOnce, () => state.get('x'))
    show('fleet', atOnce, await cost(primary.pid ?? 0, calls, atOnce, () => call(state)), bare, 'primary')
  }
  await state.close()
  primary.kill()
}

if (process.argv[2] === 'primary') {
  new FleetServer(new MemoryState()).connect(1, ipcPort(process))
} else {
  const calls = Number(process.argv[2] ?? 40_000)
  memory(10 * calls)
  await redis(calls)
  await fleet(calls)
}
