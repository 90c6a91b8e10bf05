import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, get, metric } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { services, startPostgres } from '../harness/services.ts'
import type { Json } from '../upstream/types.ts'
import { account, bucket, type S3Server, startS3 } from './audit-s3.ts'
import { backlogOf, drained, upTo, verifyShipped } from './audit-shipped.ts'
import { done, newKey } from './setup.ts'

let s3: S3Server
let data: string

beforeEach(async () => {
  s3 = await startS3()
  data = mkdtempSync(join(tmpdir(), 'routeiq-audit-'))
})
afterEach(async () => {
  await s3.close()
  rmSync(data, { recursive: true, force: true })
})

const sink = (more: Json = {}): Json => ({
  name: 'archive',
  batch_records: 10,
  flush_interval: 0.2,
  s3: { bucket, endpoint: s3.url, prefix: 'trail', ...account },
  ...more,
})
const start = (audit: Json, more: Json = {}): Promise<Gateway> =>
  startGateway({ config: { model_list: [], routeiq: { data_directory: data, audit }, ...more } })
const records = async (gateway: Gateway): Promise<number> => Number((await done(gateway, 'GET', '/audit'))['total'])
async function changes(gateway: Gateway, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await newKey(gateway)
}

describe('shipping to S3', () => {
  it('loses and doubles nothing when the server was away for the whole run and loses answers when it is back', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const checkpoint_key = privateKey.export({ type: 'pkcs8', format: 'pem' })
    let gateway = await start({ sinks: [sink()], checkpoint_key, checkpoint_interval: 1 })
    await changes(gateway, 95)
    await backlogOf(gateway, 'archive', 95)
    await eventually(async () => {
      const text = (await get(gateway, '/metrics')).text
      const age = metric(text, 'routeiq_audit_sink_backlog_seconds', { sink: 'archive' })
      return metric(text, 'routeiq_audit_sink_failures_total', { sink: 'archive' }) >= 2 && age > 0 ? true : undefined
    }, 30_000)
    await gateway.waitForLog(/the sink did not take the records; they are kept/)
    expect(gateway.logs()).not.toContain(account.secret_access_key)
    // Away for the whole life of the process.
    await gateway.stop()
    expect(s3.puts).toEqual([])

    const cut = new Set<string>()
    s3.fate = key => {
      if (cut.size >= 3 || cut.has(key)) return 'ok'
      cut.add(key)
      return 'stored_but_cut'
    }
    await s3.up()
    gateway = await start({ sinks: [sink()], checkpoint_key, checkpoint_interval: 1 })
    await changes(gateway, 20)
    await drained(gateway, 'archive')
    await eventually(async () => ((await s3.keys('trail/checkpoints')).length > 0 ? true : undefined), 20_000)
    const total = await records(gateway)
    expect(total).toBe(115)
    await gateway.stop()

    const key = join(data, 'public.pem')
    writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }))
    const shipped = await verifyShipped(s3, 'trail', '--public-key', key)
    expect(shipped).toMatchObject({ code: 0, out: expect.stringMatching(/valid: 115 records, 1 to 115\n/) })
    expect(shipped.out).toMatch(/checkpoints passed: [1-9]/)
    // Three objects were put twice, under the same names: even without de-duplication there is one of each record.
    expect(s3.puts.length).toBeGreaterThan(new Set(s3.puts).size)
    expect(shipped.seqs).toEqual(upTo(115))
    expect(shipped.out).not.toContain('passed over')
  })

  it('sends a batch whose answer was lost again as the same object, whatever was recorded since and whoever sends it', async () => {
    await s3.up()
    s3.fate = () => 'stored_but_cut'
    const audit = { sinks: [sink({ batch_records: 100 })] }
    let gateway = await start(audit)
    await changes(gateway, 3)
    await eventually(() => (s3.puts.length > 0 ? true : undefined))
    const [first = ''] = s3.puts
    const sent = Number(/-(\d+)\.ndjson/.exec(first)?.[1])
    await changes(gateway, 4)
    gateway.signal('SIGKILL')
    await gateway.stop().catch(() => undefined)
    s3.fate = () => 'ok'
    gateway = await start(audit)
    await drained(gateway, 'archive')
    await gateway.stop()
    expect(s3.puts.filter(key => key === first).length).toBeGreaterThan(1)
    const shipped = await verifyShipped(s3, 'trail')
    expect(shipped).toMatchObject({ code: 0, seqs: upTo(7) })
    expect(await s3.keys('trail')).toHaveLength(2)
    expect(sent).toBeLessThan(7)
  })

  it('loses nothing to kill -9, again and again, while the server misbehaves', async () => {
    await s3.up()
    let puts = 0
    s3.fate = () => (['stored_but_cut', 'refused', 'ok', 'ok'] as const)[puts++ % 4]!
    let made = 0
    for (let round = 0; round < 5; round++) {
      const gateway = await start({ sinks: [sink({ batch_records: 3, flush_interval: 0.01 })] })
      // Killed in the middle of the next changes; what was answered is counted.
      const last = made + 10 + round * 3
      const lane = async (): Promise<void> => {
        for (;;) {
          try {
            await newKey(gateway)
          } catch {
            return
          }
          if (++made === last) gateway.signal('SIGKILL')
        }
      }
      await Promise.all([lane(), lane()])
      await gateway.stop().catch(() => undefined)
    }
    s3.fate = () => 'ok'
    const gateway = await start({ sinks: [sink({ batch_records: 3, flush_interval: 0.01 })] })
    await drained(gateway, 'archive')
    const total = await records(gateway)
    expect(total).toBeGreaterThanOrEqual(made)
    expect([made > 50, puts > 4], `${made} changes, ${puts} puts`).toEqual([true, true])
    await gateway.stop()
    const shipped = await verifyShipped(s3, 'trail')
    expect(shipped).toMatchObject({ code: 0, out: expect.stringContaining(`valid: ${total} records, 1 to ${total}\n`) })
    expect(shipped.seqs).toEqual(upTo(total))
  }, 180_000)

  it('goes by LiteLLM’s settings', async () => {
    await s3.up()
    const litellm_settings = {
      audit_log_callbacks: ['s3_v2'],
      s3_callback_params: { s3_bucket_name: 'of-call-logs' },
      s3_audit_callback_params: {
        s3_bucket_name: bucket,
        s3_region_name: 'us-west-2',
        s3_aws_access_key_id: 'os.environ/TEST_S3_ID',
        s3_aws_secret_access_key: 'os.environ/TEST_S3_SECRET',
        s3_endpoint_url: s3.url,
        s3_path: 'company',
        s3_flush_interval: 0.1,
      },
    }
    const gateway = await startGateway({
      config: { model_list: [], litellm_settings, routeiq: { data_directory: data } },
      env: { TEST_S3_ID: account.access_key_id, TEST_S3_SECRET: account.secret_access_key },
    })
    await changes(gateway, 3)
    await drained(gateway, 's3_v2')
    await gateway.stop()
    const [today = ''] = new Date().toISOString().replaceAll('-', '/').split('T')
    for (const key of s3.puts)
      expect(key).toMatch(new RegExp(`^company/audit_logs/${today}/\\d{12}-\\d{12}\\.ndjson\\.gz$`))
    expect(await verifyShipped(s3, 'company')).toMatchObject({ code: 0, seqs: upTo(3) })
  })

  it('says what is wrong, in words that help', async () => {
    await s3.up()
    const wrong = sink({ s3: { bucket, endpoint: s3.url, access_key_id: 'S3RVER', secret_access_key: 'wrong-secret' } })
    const gateway = await start({ sinks: [wrong] })
    await changes(gateway, 1)
    await gateway.waitForLog(/S3 answered 403 SignatureDoesNotMatch: check the access key and its secret/)
    expect(gateway.logs()).not.toContain('wrong-secret')
    await backlogOf(gateway, 'archive', 1)
    await gateway.stop()
  })
})

describe.skipIf(!services.postgres)('two replicas on one PostgreSQL', () => {
  it('ship every record, in one object each, also when nothing but the store keeps them apart', async () => {
    const postgres = await startPostgres()
    try {
      await s3.up()
      let puts = 0
      s3.fate = () => (puts++ % 5 === 1 ? 'stored_but_cut' : 'ok')
      const general_settings = { database_url: postgres.url }
      const config = (name: string) => ({
        model_list: [],
        general_settings,
        routeiq: { data_directory: join(data, name), audit: { sinks: [sink({ batch_records: 7 })] } },
      })
      // No Redis: each holds a lock of its own, and both ship at once.
      const [a, b] = await Promise.all([startGateway({ config: config('a') }), startGateway({ config: config('b') })])
      await Promise.all([changes(a, 60), changes(b, 60)])
      await drained(a, 'archive')
      expect(await records(b)).toBe(120)
      await Promise.all([a.stop(), b.stop()])
      const shipped = await verifyShipped(s3, 'trail')
      expect(shipped).toMatchObject({ code: 0, out: expect.stringMatching(/valid: 120 records, 1 to 120\n/) })
      expect(shipped.seqs).toEqual(upTo(120))
    } finally {
      await postgres.stop()
    }
  })
})
