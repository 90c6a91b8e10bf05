import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deployment, eventually } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { chat, send } from '../harness/http.ts'
import { startUpstream, type Upstream } from '../upstream/server.ts'
import type { Json } from '../upstream/types.ts'
import { done, newKey } from './setup.ts'

let upstream: Upstream
let data: string
let gateway: Gateway | undefined

beforeEach(async () => {
  upstream = await startUpstream({ keep: 10 })
  data = mkdtempSync(join(tmpdir(), 'routeiq-ledger-'))
})
afterEach(async () => {
  await gateway?.stop()
  gateway = undefined
  await upstream.close()
  rmSync(data, { recursive: true, force: true })
})

async function start(general: Json, routeiq: Json = {}, env: Record<string, string> = {}): Promise<Gateway> {
  gateway = await startGateway({
    config: {
      model_list: [deployment('m', upstream, 'gpt-4o-mini')],
      general_settings: { master_key: 'sk-master', ...general },
      routeiq,
    },
    env: { ROUTEIQ_DATA_DIR: data, ...env },
  })
  return gateway
}

async function metric(name: string): Promise<number> {
  const { text } = await send(`${gateway!.url}/metrics`, {
    method: 'GET',
    headers: { authorization: 'Bearer sk-master' },
  })
  const line = text.split('\n').find(found => found.startsWith(`${name} `))
  expect(line, `${name} in /metrics`).toBeDefined()
  return Number(line?.split(' ').at(-1))
}

describe('routeiq.ledger', () => {
  /** Nobody listens there: records stay on disk. */
  const away = { DATABASE_URL: 'postgresql://nobody@127.0.0.1:9/none' }
  /** Some four kilobytes a record. */
  const heavy = { metadata: { spend_logs_metadata: { note: 'x'.repeat(3900) } } }

  it.each(['refuse', 'drop'])(
    'a journal that is full with on_full: %s, and what /metrics says of it',
    async onFull => {
      await start({}, { ledger: { max_bytes: 1_000_000, on_full: onFull } }, away)
      const statuses: number[] = []
      const client = async (): Promise<void> => {
        for (let call = 0; call < 40; call++) {
          const answer = await chat({ url: gateway!.url, key: 'sk-master' }, 'm', 'hello', heavy)
          statuses.push(answer.status)
          if (answer.status === 200) continue
          expect(answer.json).toMatchObject({ error: { code: 'ledger_unavailable' } })
          return
        }
      }
      await Promise.all(Array.from({ length: 8 }, client))
      const served = statuses.filter(status => status === 200).length
      expect(served).toBeGreaterThan(200)
      expect(await metric('routeiq_ledger_journal_bytes')).toBeGreaterThan(900_000)
      await eventually(async () => ((await metric('routeiq_ledger_backlog_bytes')) > 900_000 ? true : undefined))
      expect(await metric('routeiq_ledger_backlog_records')).toBeGreaterThan(0)
      expect(await metric('routeiq_ledger_records_total{outcome="shipped"}')).toBe(0)
      const dropped = await metric('routeiq_ledger_records_total{outcome="dropped"}')
      if (onFull === 'refuse') {
        expect(statuses).toContain(503)
        expect(await metric('routeiq_ledger_refusing')).toBe(1)
        expect(dropped).toBe(0)
      } else {
        expect(served).toBe(320)
        expect(await metric('routeiq_ledger_refusing')).toBe(0)
        expect(dropped).toBeGreaterThan(0)
        expect(dropped + (await metric('routeiq_ledger_records_total{outcome="appended"}'))).toBe(320)
      }
    },
    60_000,
  )

  it('a journal takes many times its size while the database takes the records', async () => {
    await start({}, { ledger: { max_bytes: 4_000_000 } })
    const shipped = (count: number): Promise<boolean> =>
      eventually(async () =>
        (await metric('routeiq_ledger_records_total{outcome="shipped"}')) === count ? true : undefined,
      )
    const ask = async (): Promise<number> =>
      (await chat({ url: gateway!.url, key: 'sk-master' }, 'm', 'hello', heavy)).status
    expect(await ask()).toBe(200)
    await shipped(1)
    const statuses = new Set<number>()
    const client = async (): Promise<void> => {
      for (let call = 0; call < 350; call++) {
        statuses.add(await ask())
        await pause(10)
      }
    }
    // Twelve megabytes of records.
    await Promise.all(Array.from({ length: 8 }, client))
    expect([...statuses]).toEqual([200])
    await shipped(2801)
    expect(await metric('routeiq_ledger_records_total{outcome="dropped"}')).toBe(0)
    expect(await metric('routeiq_ledger_journal_bytes')).toBeLessThan(1_000_000)
  }, 60_000)

  it('books as ever with fsync: always, and refuses a word it does not know', async () => {
    await start({}, { ledger: { fsync: 'always' } })
    expect((await chat({ url: gateway!.url, key: 'sk-master' }, 'm', 'hello')).status).toBe(200)
    await eventually(async () =>
      (await metric('routeiq_ledger_records_total{outcome="shipped"}')) === 1 ? true : undefined,
    )
    for (const outcome of ['dropped', 'rejected', 'damaged']) {
      expect(await metric(`routeiq_ledger_records_total{outcome="${outcome}"}`)).toBe(0)
    }
    await gateway!.stop()
    await expect(start({}, { ledger: { fsync: 'sometimes' } })).rejects.toThrow(/routeiq\.ledger\.fsync/)
  }, 30_000)
})

describe('store_prompts_in_spend_logs', () => {
  const secret = 'sk-abcdefghijklmnopqrstuvwxyz0123456789'
  const ask = async (extra: Json = {}, key = 'sk-master', headers: Record<string, string> = {}): Promise<string> => {
    const answer = await send(`${gateway!.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: {
        model: 'm',
        messages: [
          { role: 'system', content: `my key is ${secret}` },
          { role: 'user', content: `begin ${'long '.repeat(1000)}end` },
        ],
        metadata: { password: 'hunter2hunter2' },
        ...extra,
      },
    })
    expect(answer.status, answer.text).toBe(200)
    return String(answer.headers['x-litellm-call-id'])
  }
  const shown = (id: string): Promise<Json> =>
    eventually(async () => {
      const answer = await send(`${gateway!.url}/spend/logs/ui/${id}`, {
        method: 'GET',
        headers: { authorization: 'Bearer sk-master' },
      })
      return answer.status === 200 ? answer.json : undefined
    })
  const kept = (id: string): Promise<Json> =>
    eventually(async () => {
      const log = await shown(id)
      return log['response'] === null ? undefined : log
    })

  it('keeps what was asked and answered, streamed or not, cleaned, and shows it with the call alone', async () => {
    await start({ store_prompts_in_spend_logs: true }, { ledger: { max_body_text: 200 } })
    const answerOf = (log: Json): unknown =>
      (log['response'] as { choices: { message: Json }[] }).choices[0]?.message['content']
    const plain = await kept(await ask())
    const streamed = await kept(await ask({ stream: true, stream_options: { include_usage: true } }))
    for (const log of [plain, streamed]) {
      const text = JSON.stringify(log)
      expect(text).not.toContain(secret)
      expect(text).not.toContain('hunter2')
      const messages = log['messages'] as { role: string; content: string }[]
      expect(messages.map(({ role }) => role)).toEqual(['system', 'user'])
      expect(messages[1]?.content).toMatch(/^begin long .*litellm_truncated.* long end$/)
      expect(messages[1]?.content.length).toBeLessThan(300)
      expect(log['proxy_server_request']).toMatchObject({ model: 'm' })
      const { choices, object } = log['response'] as { object: string; choices: Json[] }
      expect(object).toBe('chat.completion')
      expect(choices).toHaveLength(1)
      expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant' } })
      expect(answerOf(log)).toMatch(/^echo: begin long/)
    }
    expect(answerOf(streamed)).toEqual(answerOf(plain))
    const list = (await done(gateway!, 'GET', '/spend/logs')) as unknown as Json[]
    expect(list).toHaveLength(2)
    for (const log of list) expect([log['messages'], log['response']]).toEqual([{}, {}])
  }, 30_000)

  it('keeps nothing of a call whose caller said so, nor anything by itself', async () => {
    await start({ store_prompts_in_spend_logs: true })
    const before = await ask({ 'no-log': true })
    const other = await ask({}, 'sk-master', { 'x-litellm-enable-message-redaction': 'true' })
    // Bodies travel in order: those of a later call are there, those of the earlier ones will not come.
    await kept(await ask())
    for (const id of [before, other]) {
      expect(await shown(id)).toMatchObject({ messages: null, response: null, proxy_server_request: null })
    }
    await gateway!.stop()
    await start({})
    expect(await shown(await ask())).toMatchObject({ messages: null, response: null, proxy_server_request: null })
    expect(gateway!.logs()).not.toContain('hunter2')
  }, 30_000)
})

it('a name that is too long is the same one for limits and for the books', async () => {
  await start({})
  // The cut goes through a character of two halves.
  const long = `${'x'.repeat(254)}😀 and more`
  const name = `${'x'.repeat(254)}\ufffd`
  await done(gateway!, 'POST', '/customer/new', { user_id: name, max_budget: 0.000000001 })
  const key = await newKey(gateway!)
  const ask = () => chat({ url: gateway!.url, key }, 'm', 'hello', { user: long, tags: [long] })
  expect((await ask()).status).toBe(200)
  const logs = await eventually(async () => {
    const rows = (await done(gateway!, 'GET', '/spend/logs')) as unknown as Json[]
    return rows.length > 0 ? rows : undefined
  })
  expect(logs[0]).toMatchObject({ end_user: name, request_tags: [name] })
  const refused = await ask()
  expect(refused.status, refused.text).toBe(429)
  expect(refused.text).toContain('budget')
}, 30_000)
