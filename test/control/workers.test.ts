import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, contentOf, send } from '../harness/http.ts'
import { childrenOf } from '../harness/resident-memory.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { configure, deployment, eventually, explain, get, metric, reload } from './setup.ts'

let upstream: Upstream
let gateway: Gateway

beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({ config: list('w1'), args: ['--num_workers', '2'] })
})
beforeEach(() => upstream.reset())
afterAll(async () => {
  await gateway.stop()
  await upstream.close()
})

function list(...names: string[]): Json {
  return {
    model_list: names.map(name =>
      deployment(name, upstream, name, { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 }),
    ),
  }
}

/** A call on a connection of its own, which the primary hands to the next worker in turn. */
const fresh: ChatHeaders = { headers: { connection: 'close' } }
interface ChatHeaders {
  readonly headers: Record<string, string>
}

const ready = async (): Promise<string> => {
  const { config } = (await send(`${gateway.url}/health/readiness`, fresh)).json as {
    config: { version: number; hash: string }
  }
  return `${config.version}-${config.hash}`
}

const versions = async (count: number): Promise<Set<string>> => {
  const seen = new Set<string>()
  for (let call = 0; call < count; call++) seen.add(await ready())
  return seen
}

describe('two workers', () => {
  it('both serve, on the port that was announced, and the start says how many', async () => {
    expect(gateway.logs()).toMatch(/workers\s+2/)
    expect(childrenOf(gateway.pid)).toHaveLength(2)
    const connections = await Promise.all(Array.from({ length: 40 }, () => chat(gateway, 'w1', 'hi', {}, fresh)))
    expect(connections.every(answer => answer.status === 200)).toBe(true)
    expect(await busyWorkers()).toBe(2)
    // What else a worker listens on (its demo models) is its own: shared, it could be announced as the gateway's port.
    expect(listeningPorts(gateway.pid)).toEqual([gateway.port])
  })

  it('/metrics sums over them, from whichever is asked', async () => {
    const read = async () =>
      metric((await get(gateway, '/metrics', fresh.headers)).text, 'litellm_proxy_total_requests_metric_total', {
        requested_model: 'w1',
        status_code: '200',
      })
    const before = await read()
    for (let call = 0; call < 10; call++) expect((await chat(gateway, 'w1', 'hi', {}, fresh)).status).toBe(200)
    await expect.poll(read).toBe(before + 10)
    for (let call = 0; call < 4; call++) expect(await read()).toBe(before + 10)
    const text = (await get(gateway, '/metrics')).text
    expect(metric(text, 'litellm_spend_metric_total', { model_id: 'w1' })).toBeCloseTo((before + 10) * 3e-6, 12)
    expect(text.match(/^# TYPE litellm_spend_metric_total /gm)).toHaveLength(1)
  })

  it('an explanation is found whoever served the call', async () => {
    const answers = []
    for (let call = 0; call < 8; call++) answers.push(await chat(gateway, 'w1', 'hi', {}, fresh))
    for (const answer of answers) {
      for (let ask = 0; ask < 2; ask++) expect((await explain(gateway, answer)).hops).toHaveLength(1)
      const found = await get(gateway, `/v1/routeiq/explain/${answer.headers['x-litellm-call-id']}`, fresh.headers)
      expect(found.status).toBe(200)
    }
    expect((await get(gateway, '/v1/routeiq/explain/none', fresh.headers)).status).toBe(404)
  })

  it('a reload applies to all with one version and hash, a bad one to none', async () => {
    const first = (await configure(gateway, list('w1', 'w2')))['config'] as { version: number; hash: string }
    expect(await versions(12)).toEqual(new Set([`${first.version}-${first.hash}`]))
    for (let call = 0; call < 6; call++) expect((await chat(gateway, 'w2', 'hi', {}, fresh)).status).toBe(200)

    gateway.writeConfig({ ...list('w1'), invented: true })
    const refused = await reload(gateway)
    expect([refused.status, refused.json!['config']]).toEqual([400, first])
    expect(refused.json!['problems']).toEqual([
      expect.stringMatching(/config\.yaml:\d+:\d+: error: invented: unknown key/),
    ])
    expect(await versions(8)).toEqual(new Set([`${first.version}-${first.hash}`]))

    gateway.writeConfig(list('w1', 'w3'))
    gateway.signal('SIGHUP')
    await eventually(async () => ((await chat(gateway, 'w3', 'hi', {}, fresh)).status === 200 ? true : undefined))
    await eventually(async () => ((await versions(6)).size === 1 ? true : undefined))
    expect([...(await versions(6))][0]).toMatch(new RegExp(`^${first.version + 1}-`))

    gateway.writeConfig(list('w1', 'w4'))
    await eventually(async () => ((await chat(gateway, 'w4', 'hi', {}, fresh)).status === 200 ? true : undefined))
    await eventually(async () => {
      const seen = [...(await versions(6))]
      return seen.length === 1 && seen[0]!.startsWith(`${first.version + 2}-`) ? true : undefined
    })
  })

  it('a killed worker is replaced with the configuration in force, even when the file has gone bad since', async () => {
    await configure(gateway, list('w1', 'kept'))
    const before = await ready()
    writeFileSync(gateway.configPath!, 'model_list: [')
    const [victim = 0] = childrenOf(gateway.pid)
    process.kill(victim, 'SIGKILL')
    await eventually(() => {
      const now = childrenOf(gateway.pid)
      return now.length === 2 && !now.includes(victim) ? true : undefined
    })
    const answers = await Promise.all(Array.from({ length: 30 }, () => chat(gateway, 'kept', 'hi', {}, fresh)))
    expect(answers.map(answer => [answer.status, contentOf(answer)])).toEqual(Array(30).fill([200, 'echo: hi']))
    await eventually(async () => {
      await Promise.all(Array.from({ length: 20 }, () => chat(gateway, 'kept', 'hi', {}, fresh)))
      return (await busyWorkers()) === 2 ? true : undefined
    })
    expect(await versions(12)).toEqual(new Set([before]))
    // The file is still bad: the replacement did not read it, and says so like everybody else.
    expect((await reload(gateway)).status).toBe(400)
    await configure(gateway, list('w1', 'kept'))
    expect(await versions(8)).toEqual(new Set([before]))
  })

  it('no call fails after a worker died, and only those it held with it', async () => {
    await configure(gateway, list('w1'))
    for (let round = 0; round < 2; round++) {
      const before = childrenOf(gateway.pid)
      upstream.fault(request => request.text.includes('held'), 'hang')
      const controller = new AbortController()
      const held = Array.from({ length: 6 }, () =>
        chat(gateway, 'w1', 'held', {}, { ...fresh, signal: controller.signal }).catch(
          error => error.code ?? error.name,
        ),
      )
      await eventually(() =>
        upstream.requests.filter(request => request.text.includes('held')).length === 6 ? true : undefined,
      )
      const victim = before.find(pid => connectionsOf(pid, gateway.port) > 0) ?? 0
      process.kill(victim, 'SIGKILL')
      expect(await Promise.race(held)).toMatch(/ECONNRESET|EPIPE/)
      // Until the primary knows, it may still hand a connection to the dead (Node's cluster module keeps such a one open).
      await eventually(() => (childrenOf(gateway.pid).includes(victim) ? undefined : true))
      for (let call = 0; call < 10; call++) expect((await chat(gateway, 'w1', 'hi', {}, fresh)).status).toBe(200)
      controller.abort()
      const ends = await Promise.all(held)
      expect(ends.filter(end => end === 'ABORT_ERR').length, 'the other worker kept its calls').toBeGreaterThan(0)
      upstream.reset()
      await eventually(async () => ((await busyWorkers()) === 2 ? true : undefined))
    }
  })
})

/** How many workers take connections: several are opened, and the processes counted that hold one. */
async function busyWorkers(): Promise<number> {
  const agents = Array.from({ length: 6 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  try {
    for (const agent of agents) await open(agent)
    return childrenOf(gateway.pid).filter(pid => connectionsOf(pid, gateway.port) > 0).length
  } finally {
    for (const agent of agents) agent.destroy()
  }
}

interface SocketEntry {
  readonly port: number
  readonly listening: boolean
}

/** The TCP sockets of a process, from `/proc`: established and listening ones, by their own port. */
function socketsOf(pid: number): SocketEntry[] {
  const byInode = new Map<string, SocketEntry>()
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, own = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
    if (state !== '01' && state !== '0A') continue
    byInode.set(`socket:[${inode}]`, { port: Number.parseInt(own.split(':')[1] ?? '', 16), listening: state === '0A' })
  }
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => byInode.get(linkOf(`/proc/${pid}/fd/${fd}`)) ?? [])
}

const connectionsOf = (pid: number, port: number): number =>
  socketsOf(pid).filter(socket => !socket.listening && socket.port === port).length

const listeningPorts = (pid: number): number[] =>
  socketsOf(pid).flatMap(({ listening, port }) => (listening ? [port] : []))

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function open(agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${gateway.url}/health/liveliness`, { agent }, response => {
      response.resume().on('end', () => resolve())
    })
    request.on('error', reject)
    request.end()
  })
}
