import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { audit } from '../../src/cli/audit.ts'
import { eventually, get, metric } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import type { Json } from '../upstream/types.ts'
import { crc32c, startKafkaBroker } from './audit-kafka-broker.ts'
import { backlogOf, drained, upTo } from './audit-shipped.ts'
import { newKey } from './setup.ts'

let data: string
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'routeiq-audit-'))
})
afterEach(() => rmSync(data, { recursive: true, force: true }))

const start = (sinks: Json[], audit: Json = {}): Promise<Gateway> =>
  startGateway({ config: { model_list: [], routeiq: { data_directory: data, audit: { ...audit, sinks } } } })
async function changes(gateway: Gateway, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await newKey(gateway)
}
async function verify(lines: readonly string[]): Promise<{ code: number; out: string }> {
  const file = join(data, 'received.ndjson')
  writeFileSync(file, lines.map(line => `${line}\n`).join(''))
  const out: string[] = []
  return { code: await audit(['verify', '--export', file], {}, text => out.push(text)), out: out.join('') }
}
const seqOf = (line: string): number => (JSON.parse(line) as { seq: number }).seq
const failures = async (gateway: Gateway, sink: string): Promise<number> =>
  metric((await get(gateway, '/metrics')).text, 'routeiq_audit_sink_failures_total', { sink })

describe('the Kafka sink, against a broker made for the test', () => {
  it('the broker’s checksum is CRC-32C (RFC 3720 B.4)', () => {
    expect(crc32c(Buffer.from('123456789')).toString(16)).toBe('e3069283')
    expect(crc32c(Buffer.alloc(32)).toString(16)).toBe('8a9136aa')
  })

  it('brings everything, in the order of each object, when the broker was away and loses answers', async () => {
    const broker = await startKafkaBroker('audit-trail')
    const kafka = { brokers: [broker.address], topic: 'audit-trail' }
    const gateway = await start([{ name: 'stream', kafka, batch_records: 10, flush_interval: 0.05 }])
    try {
      await changes(gateway, 40)
      await eventually(async () => ((await failures(gateway, 'stream')) >= 2 ? true : undefined), 30_000)
      await backlogOf(gateway, 'stream', 40)
      await gateway.waitForLog(/Kafka: connect ECONNREFUSED/)

      let batches = 0
      broker.fate = () => (['not_leader', 'ok', 'appended_but_cut', 'ok'] as const)[batches++ % 4]!
      await broker.up()
      await changes(gateway, 20)
      await drained(gateway, 'stream')

      const { messages } = broker
      const bySeq = new Map(messages.map(message => [Number(message.headers['seq']), message]))
      expect([...bySeq.keys()].sort((a, b) => a - b)).toEqual(upTo(60))
      expect(await verify([...bySeq].sort(([a], [b]) => a - b).map(([, { value }]) => value))).toMatchObject({
        code: 0,
      })
      for (const { key, value, headers } of messages) {
        const record = JSON.parse(value) as Record<string, unknown>
        expect([key, headers['id'], headers['action'], headers['routeiq-audit']]).toEqual([
          record['object_id'],
          record['id'],
          record['action'],
          '1',
        ])
      }
      expect(new Set(messages.map(({ partition }) => partition)).size).toBe(3)
      expect([new Set(broker.acks), broker.producers > 0]).toEqual([new Set([-1]), true])
    } finally {
      await gateway.stop()
      await broker.down()
    }
  })
})

interface Delivery {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

describe('the webhook sink', () => {
  let receiver: Server
  let deliveries: Delivery[]
  let status: () => number
  beforeEach(async () => {
    deliveries = []
    status = () => 200
    receiver = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString('utf8')
      const code = status()
      if (code < 300) deliveries.push({ headers: request.headers, body })
      response.writeHead(code, { location: '/elsewhere' }).end()
    })
    await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    receiver.closeAllConnections()
    receiver.close()
  })
  const url = (): string => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/in?token=t0k3n`

  it('posts signed NDJSON until it is confirmed, and follows no redirect', async () => {
    let calls = 0
    status = () => [302, 500, 200][Math.min(calls++, 2)]!
    const webhook = { url: url(), secret: 'whsec', headers: { authorization: 'Bearer collector-token' } }
    const gateway = await start([{ name: 'hook', webhook, flush_interval: 0.05 }], {
      checkpoint_key: Buffer.alloc(32, 7).toString('base64'),
      checkpoint_interval: 1,
    })
    try {
      await changes(gateway, 12)
      await drained(gateway, 'hook')
      await eventually(() => deliveries.find(({ headers }) => headers['x-routeiq-audit-checkpoint']), 20_000)
      await gateway.waitForLog(/The webhook answered 302/)
      expect(gateway.logs()).not.toMatch(/t0k3n|whsec|collector-token/)
    } finally {
      await gateway.stop()
    }
    const batches = deliveries.filter(({ headers }) => headers['content-type'] === 'application/x-ndjson')
    const lines = batches.flatMap(({ body }) => body.trimEnd().split('\n'))
    expect(lines.map(seqOf)).toEqual(upTo(12))
    expect(await verify(lines)).toMatchObject({ code: 0 })
    for (const { headers, body } of deliveries) {
      const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-routeiq-signature'])) ?? []
      expect(mac).toBe(createHmac('sha256', 'whsec').update(`${time}.${body}`).digest('hex'))
      expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(120)
      expect(headers['authorization']).toBe('Bearer collector-token')
    }
    const [first] = batches
    expect(first!.headers['idempotency-key']).toBe(`hook-1-${first!.headers['x-routeiq-audit-last-seq']}`)
  })

  it('goes through the outbound door', async () => {
    const sinks = [{ name: 'hook', webhook: { url: url() }, flush_interval: 0.05 }]
    const gateway = await startGateway({
      config: {
        model_list: [],
        routeiq: { data_directory: data, audit: { sinks }, egress: { allow_cidrs: [] } },
      },
    })
    try {
      await changes(gateway, 1)
      await eventually(async () => ((await failures(gateway, 'hook')) > 0 ? true : undefined), 20_000)
      await backlogOf(gateway, 'hook', 1)
      expect(deliveries).toEqual([])
    } finally {
      await gateway.stop()
    }
  })
})

describe('a log that is not what was shipped', () => {
  it('is noticed, and shipped again as it is now', async () => {
    const broker = await startKafkaBroker('trail', 1)
    await broker.up()
    const sinks = [{ name: 'stream', kafka: { brokers: [broker.address], topic: 'trail' }, flush_interval: 0.05 }]
    const gateway = await start(sinks)
    try {
      await changes(gateway, 6)
      await drained(gateway, 'stream')
      const { DatabaseSync } = await import('node:sqlite')
      const db = new DatabaseSync(join(data, 'routeiq.db'))
      // A restore of an older backup, as the shipper sees it.
      db.exec('delete from audit where seq > 4')
      db.close()
      await changes(gateway, 5)
      await gateway.waitForLog(/the log is not the one that was shipped/, 20_000)
      await eventually(() => (broker.messages.some(({ headers }) => headers['seq'] === '9') ? true : undefined), 20_000)
      const text = (await get(gateway, '/metrics')).text
      expect(metric(text, 'routeiq_audit_chain_breaks_total')).toBe(1)
      // The receiver has both versions of what was replaced: that is the evidence.
      const fifths = broker.messages.filter(({ headers }) => headers['seq'] === '5')
      expect(new Set(fifths.map(({ value }) => value)).size).toBe(2)
    } finally {
      await gateway.stop()
      await broker.down()
    }
  })
})
