import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, chatStream } from '../harness/http.ts'
import { type Service, services, startPostgres, startRedis } from '../harness/services.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { type Books, one, postgresBooks } from './books.ts'
import { done, newKey } from './setup.ts'

const leaseSeconds = 4
const usable = services.redis && services.postgres

let upstream: Upstream
let redis: Service
let postgres: Service
let books: Books
let fleet: Gateway[] = []

beforeAll(async () => {
  upstream = await startUpstream()
  if (!usable) return
  redis = await startRedis()
  postgres = await startPostgres()
  books = postgresBooks(postgres.url)
})
afterEach(async () => {
  for (const gateway of fleet) await gateway.stop().catch(() => undefined)
  fleet = []
  upstream.reset()
})
afterAll(async () => {
  await books?.close()
  await upstream.close()
  await redis?.stop()
  await postgres?.stop()
})

const config = (lease_seconds: number): Json => ({
  model_list: [deployment('m', upstream, 'm', { input_cost_per_token: 0.0001, output_cost_per_token: 0.0002 })],
  general_settings: { master_key: 'sk-leases-master' },
  routeiq: {
    limits: { lease_seconds, on_state_unavailable: { rate: 'closed', budget: 'closed' } },
  },
})

async function start(processes: number, lease = leaseSeconds): Promise<Gateway[]> {
  const env = { REDIS_URL: redis.url, DATABASE_URL: postgres.url }
  for (let i = 0; i < processes; i++) fleet.push(await startGateway({ config: config(lease), env }))
  return fleet
}

/** Nobody's call: locks of background jobs, and the heartbeat, an operation without an argument. */
const background = /:lock:|:window-ends \\t$/
/** New counters are held against the books a few times in their first minutes. A call reads nothing it does not take. */
const reading = /:window-ends \\x06/
const mostReadings = 12

/** Commands that clients sent to Redis for calls since the last time asked; those that scripts make are not among them. */
async function monitor(): Promise<{ commands: () => string[]; close: () => void }> {
  const socket = connect(redis.port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  socket.write('MONITOR\r\n')
  await eventually(() => (text.startsWith('+OK') ? true : undefined))
  text = ''
  return {
    commands: () => {
      const whole = text.slice(0, text.lastIndexOf('\n') + 1)
      text = text.slice(whole.length)
      return [...whole.matchAll(/^\+[\d.]+ \[\d+ (\S+)\] (.*)$/gm)].flatMap(([, from, quoted]) => {
        const command = String(quoted).trim().replaceAll('"', '')
        return from === 'lua' || background.test(command) ? [] : [command]
      })
    },
    close: () => socket.destroy(),
  }
}

describe.skipIf(!usable)('over Redis', () => {
  it('a call that everything limits makes one round trip before it is sent, and one to settle', async () => {
    // So long that no renewal of leases falls into the test.
    const [gateway] = await start(1, 3600)
    const limits = { rpm_limit: 10_000, tpm_limit: 10_000_000, max_parallel_requests: 50, max_budget: 100 }
    const team_id = String((await done(gateway!, 'POST', '/team/new', limits))['team_id'])
    await done(gateway!, 'POST', '/user/new', { user_id: 'u', auto_create_key: false, ...limits })
    const key = await newKey(gateway!, { team_id, user_id: 'u', ...limits })
    const target = { url: gateway!.url, key }
    // The caller is known, the connections and counters are made.
    for (let i = 0; i < 3; i++) expect((await chat(target, 'm', 'first')).status).toBe(200)
    const seen = await monitor()
    // Their settlements follow a moment after their answers, and are not what is looked at.
    await new Promise(resolve => setTimeout(resolve, 1000))
    seen.commands()
    const before: string[][] = []
    const after: string[][] = []
    try {
      for (let i = 0; i < 30; i++) {
        upstream.requests.length = 0
        const undo = upstream.fault('m', 'delay=60')
        const call = chat(target, 'm', `call ${i}`)
        await upstream.waitFor(() => upstream.requests.length === 1)
        // What was asked before the call went out has arrived here by now, or it would not have been asked first.
        await new Promise(resolve => setTimeout(resolve, 20))
        before.push(seen.commands())
        expect((await call).status).toBe(200)
        const settled: string[] = []
        await eventually(() => {
          settled.push(...seen.commands())
          return settled.some(command => !reading.test(command)) ? true : undefined
        })
        after.push(settled)
        undo()
      }
    } finally {
      seen.close()
    }
    const taking = (commands: string[]) => commands.filter(command => !reading.test(command))
    expect(before.map(taking).filter(commands => commands.length !== 1)).toEqual([])
    expect(after.map(taking).filter(commands => commands.length !== 1)).toEqual([])
    expect([...before, ...after].flat().filter(command => reading.test(command)).length).toBeLessThan(mostReadings)
  })

  it('a killed process leaves no parallel call and no money stuck once its leases end', async () => {
    const [doomed, other] = await start(2)
    const key = await newKey(other!, { max_parallel_requests: 4, max_budget: 0.05 })
    const undo = upstream.fault(request => request.text.includes('hold'), 'hang')
    const held = Array.from({ length: 4 }, () =>
      chat({ url: doomed!.url, key }, 'm', 'hold', { max_tokens: 50 }).catch(() => undefined),
    )
    await upstream.waitFor(() => upstream.requests.length === 4)
    const ask = () => chat({ url: other!.url, key }, 'm', 'hi', { max_tokens: 50 })
    // Longer than a lease: those of calls that run are renewed.
    await new Promise(resolve => setTimeout(resolve, leaseSeconds * 1500))
    expect((await ask()).status, 'held by calls that run').toBe(429)
    doomed!.signal('SIGKILL')
    await Promise.all(held)
    undo()
    expect((await ask()).status, 'its leases still run').toBe(429)
    const answer = await eventually(async () => {
      const next = await ask()
      return next.status === 200 ? next : undefined
    }, leaseSeconds * 5000)
    const cost = Number(answer.headers['x-litellm-response-cost'])
    expect(Number(answer.headers['x-litellm-key-spend']), 'nothing of the four is left').toBeCloseTo(cost, 9)
    expect(answer.headers['x-ratelimit-api_key-remaining-max_parallel_requests']).toBe('3')
  })

  it('a caller who leaves in mid-stream gives back its place at once and pays for what came', async () => {
    const [gateway] = await start(1)
    await leaves(gateway!)
  })
})

/** One place in parallel: a second call fits as soon as the first has gone. */
async function leaves(gateway: Gateway): Promise<void> {
  const key = await newKey(gateway, { max_parallel_requests: 1, max_budget: 10 })
  const target = { url: gateway.url, key }
  const leaving = new AbortController()
  let pieces = 0
  const undo = upstream.fault(request => request.text.includes('long'), 'chunks=400,cadence=20')
  const first = chatStream(
    target,
    'm',
    'a long story',
    { max_tokens: 1000 },
    {
      signal: leaving.signal,
      onEvent: () => {
        if (++pieces === 20) leaving.abort()
      },
    },
  )
  await upstream.waitFor(() => upstream.requests.length > 0)
  expect((await chat(target, 'm', 'hi', { max_tokens: 5 })).status, 'its place is taken').toBe(429)
  const id = String((await first).headers['x-litellm-call-id'])
  undo()
  await eventually(
    async () => ((await chat(target, 'm', 'hi', { max_tokens: 5 })).status === 200 ? true : undefined),
    3000,
  )

  const rows = await eventually(async () => {
    const found = await books.query(
      `select status, error, cost, input_tokens, output_tokens from ledger where id = '${id}' or call_id = '${id}'`,
    )
    return found.length > 0 ? found : undefined
  })
  expect(rows).toHaveLength(1)
  expect(rows[0]).toMatchObject({ status: 499, error: 'client_disconnected' })
  const output = Number(rows[0]!['output_tokens'])
  // Twenty words came, and what was under way; four hundred had been asked for.
  expect(output).toBeGreaterThanOrEqual(15)
  expect(output).toBeLessThan(100)
  expect(Number(rows[0]!['cost'])).toBe(Number(rows[0]!['input_tokens']) * 100_000 + output * 200_000)
  const info = (await done(gateway, 'GET', `/key/info?key=${key}`))['info'] as Json
  const all = await one(books, `select sum(cost) from ledger where token = '${String(info['token'])}'`)
  await eventually(async () => {
    const spend = await one(books, `select spend from keys where token = '${String(info['token'])}'`)
    return spend === all ? true : undefined
  })
}
