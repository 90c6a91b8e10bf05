import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openStore } from '../../src/platform/store/open-store.ts'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { done, newKey } from './setup.ts'

const rounds = 6
let upstream: Upstream
let data: string

beforeEach(async () => {
  upstream = await startUpstream({ keep: 10 })
  data = mkdtempSync(join(tmpdir(), 'routeiq-books-'))
})
afterEach(async () => {
  await upstream.close()
  rmSync(data, { recursive: true, force: true })
})

const start = (): Promise<Gateway> =>
  startGateway({
    config: { model_list: [deployment('m', upstream, 'gpt-4o-mini')], general_settings: { master_key: 'sk-master' } },
    env: { ROUTEIQ_DATA_DIR: data },
  })

async function kill(gateway: Gateway): Promise<void> {
  gateway.signal('SIGKILL')
  // Told that it crashed, which is what was wanted.
  await gateway.stop().catch(() => undefined)
}

it('every answer a client received to its last byte is in the books once, whenever the gateway is killed', async () => {
  const received = new Map<string, number>()
  let key: string | undefined
  for (let round = 0; round < rounds; round++) {
    const gateway = await start()
    key ??= await newKey(gateway, { user_id: 'u' })
    const target = { url: gateway.url, key }
    let killed = false
    const client = async (stream: boolean): Promise<void> => {
      while (!killed) {
        const extra = stream ? { stream: true, stream_options: { include_usage: true } } : {}
        const answer = await chat(target, 'm', 'hello', extra).catch(() => undefined)
        // A body that was cut off is no answer that was received.
        if (answer?.status !== 200 || answer.end !== 'clean') continue
        if (stream && !answer.text.includes('[DONE]')) continue
        received.set(String(answer.headers['x-litellm-call-id']), received.size)
      }
    }
    const clients = [client(false), client(false), client(true), client(true)]
    await eventually(() => (received.size > round * 5 ? true : undefined))
    await pause(Math.random() * 300)
    const dead = kill(gateway)
    killed = true
    await dead
    await Promise.all(clients)
  }

  const last = await start()
  await eventually(async () => {
    const page = await done(last, 'GET', '/spend/logs/v2?start_date=2020-01-01&end_date=2100-01-01&page_size=1')
    return Number(page['total']) >= received.size ? true : undefined
  })
  const [row] = (await done(last, 'GET', '/spend/keys')) as unknown as Json[]
  for (const scope of ['key', 'user']) {
    const report = await done(last, 'GET', `/v1/routeiq/reconciliation?scope=${scope}&days=true&start_date=2026-01-01`)
    expect(report, scope).toMatchObject({ differing: 0 })
    expect((report['days'] as Json[]).every(day => day['difference'] === 0)).toBe(true)
  }
  await last.stop()

  // What the killed ones left is deleted when it is certain that they are dead; the one that was stopped left nothing.
  expect(readdirSync(join(data, 'ledger')).filter(name => name.endsWith('.journal'))).toHaveLength(rounds)
  const store = await openStore({ kind: 'sqlite', path: join(data, 'routeiq.db') })
  const rows = await store.db.selectFrom('ledger').select(['id', 'cost']).execute()
  await store.close()
  const ids = new Set(rows.map(({ id }) => id))
  expect(ids.size).toBe(rows.length)
  expect([...received.keys()].filter(id => !ids.has(id))).toEqual([])
  // Calls under way when it was killed may be there without an answer that was received: 4 clients, and one each before.
  expect(rows.length - received.size).toBeLessThanOrEqual(rounds * 8)
  const total = rows.reduce((sum, { cost }) => sum + cost, 0)
  expect(Math.round(Number(row!['spend']) * 1e9)).toBe(total)
}, 120_000)

it('calls that were refused before they began are in the books, too', async () => {
  const gateway = await start()
  const key = await newKey(gateway, { models: ['m'], user_id: 'refused' })
  const target = { url: gateway.url, key }
  expect((await chat(target, 'other', 'hi')).status).toBe(403)
  expect((await chat(target, 'm', 'hi', { messages: 'none' })).status).toBe(400)
  expect((await chat(target, 'm', 'hi')).status).toBe(200)
  const logs = await eventually(async () => {
    const rows = (await done(gateway, 'GET', '/spend/logs?user_id=refused')) as unknown as Json[]
    return rows.length === 3 ? rows : undefined
  })
  expect(logs.map(row => row['status']).sort()).toEqual(['failure', 'failure', 'success'])
  await gateway.stop()
})
