import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { audit as auditCommand } from '../../src/cli/audit.ts'
import { eventually, get, metric } from '../control/setup.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { send } from '../harness/http.ts'
import type { Json } from '../upstream/types.ts'
import { api, done, newKey } from './setup.ts'

interface Row extends Json {
  readonly id: string
  readonly seq: number
  readonly action: string
  readonly table_name: string
  readonly object_id: string
  readonly changed_by: string
  readonly before_value: Json | null
  readonly updated_values: Json | null
  readonly details: Json | null
}

let gateway: Gateway
let data: string

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'routeiq-audit-'))
  gateway = await startGateway({ config: { model_list: [], routeiq: { data_directory: data } } })
})
afterAll(async () => {
  await gateway.stop()
  rmSync(data, { recursive: true, force: true })
})

async function list(query = ''): Promise<Json & { audit_logs: Row[]; total: number; total_pages: number }> {
  return (await done(gateway, 'GET', `/audit${query}`)) as never
}
const exported = async (query = ''): Promise<string> => {
  const answer = await get(gateway, `/v1/routeiq/audit/export${query}`)
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson'])
  return answer.text
}

/** The command, as main calls it. */
async function verify(...args: string[]): Promise<{ code: number; out: string }> {
  const out: string[] = []
  const code = await auditCommand(['verify', ...args], {}, text => out.push(text))
  return { code, out: out.join('') }
}

describe('changes', () => {
  it('are on record with who, what, before and after, and without the key', async () => {
    const made = await done(gateway, 'POST', '/key/generate', { key_alias: 'first', max_budget: 1 })
    const key = String(made['key'])
    const token = String(made['token'])
    const headers = { authorization: `Bearer ${gateway.key}`, 'litellm-changed-by': 'carol' }
    const body = { key, max_budget: 5, metadata: { note: 'x', vendor_api_key: 'hunter2hunter2' } }
    expect((await send(`${gateway.url}/key/update`, { method: 'POST', headers, body })).status).toBe(200)
    await done(gateway, 'POST', '/key/delete', { keys: [key] })

    const { audit_logs } = await list(`?object_id=${token}&sort_order=asc`)
    expect(audit_logs.map(row => [row.action, row.table_name, row.changed_by])).toEqual([
      ['created', 'LiteLLM_VerificationToken', 'master_key'],
      ['updated', 'LiteLLM_VerificationToken', 'carol'],
      ['deleted', 'LiteLLM_VerificationToken', 'master_key'],
    ])
    expect(audit_logs[1]).toMatchObject({
      actor: 'master_key',
      address: '127.0.0.1',
      outcome: 'success',
      before_value: { max_budget: 1, key_alias: 'first' },
      updated_values: { max_budget: 5, metadata: { note: 'x', vendor_api_key: '[redacted]' } },
      details: { on_behalf_of: 'carol' },
    })
    const all = JSON.stringify(await list('?page_size=100'))
    expect(all).not.toContain(key)
    expect(all).not.toContain('hunter2')
    expect(await done(gateway, 'GET', `/audit/${audit_logs[1]!.id}`)).toEqual(audit_logs[1])
  })

  it('are found by filter, in pages, in order', async () => {
    for (let index = 0; index < 25; index++) await newKey(gateway, { key_alias: `page-${index}` })
    const first = await list('?page_size=10&action=created&table_name=key')
    expect([first.audit_logs.length, first['page'], first['page_size']]).toEqual([10, 1, 10])
    expect(first.total_pages).toBe(Math.ceil(first.total / 10))
    const seqs: number[] = []
    for (let page = 1; page <= first.total_pages; page++) {
      const part = await list(`?page=${page}&page_size=10&action=created&table_name=LiteLLM_VerificationToken`)
      seqs.push(...part.audit_logs.map(row => row.seq))
    }
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => b - a))
    expect(seqs).toHaveLength(first.total)

    const { audit_logs } = await list('?page_size=1')
    const row = audit_logs[0]!
    const token = row.object_id
    expect((await list(`?object_key_hash=${token}`)).total).toBe(1)
    expect((await list(`?search=${row.id}`)).audit_logs).toEqual([row])
    expect((await list(`?search=carol`)).total).toBe(1)
    expect((await list('?changed_by=carol')).total).toBe(1)
    expect((await list('?changed_by=caro')).total).toBe(0)
    expect((await list("?changed_by=%25' or 1=1")).total).toBe(0)
    expect((await list(`?start_date=2999-01-01`)).total).toBe(0)
    expect((await list(`?end_date=${new Date().toISOString().slice(0, 10)}`)).total).toBeGreaterThan(25)
    expect((await list('?sort_by=action&sort_order=asc&page_size=100')).audit_logs[0]!.action).toBe('created')
    for (const bad of ['?page=0', '?page_size=101', '?sort_by=before', '?start_date=yesterday', '?outcome=maybe']) {
      expect((await api(gateway, 'GET', `/audit${bad}`)).status, bad).toBe(400)
    }
    expect((await api(gateway, 'GET', '/audit/no-such-id')).status).toBe(404)
  })
})

describe('the log', () => {
  it('is for administrators', async () => {
    const key = await newKey(gateway, { user_id: 'nobody' })
    for (const path of ['/audit', '/audit/x', '/v1/routeiq/audit/export', '/v1/routeiq/audit/verify']) {
      expect((await api(gateway, 'GET', path, undefined, key)).status, path).toBe(403)
      expect((await send(`${gateway.url}${path}`, {})).status, path).toBe(401)
    }
  })

  it('records who was refused, and folds what floods', async () => {
    const key = await newKey(gateway, { key_alias: 'mallory' })
    const refused = await Promise.all(
      Array.from({ length: 200 }, () => api(gateway, 'GET', '/v1/routeiq/audit/export', undefined, key)),
    )
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([403]))
    const rows = await eventually(async () => {
      const { audit_logs } = await list('?outcome=denied&changed_by=key:mallory&page_size=100')
      return audit_logs.length >= 20 ? audit_logs : undefined
    })
    expect(rows).toHaveLength(20)
    expect(rows[0]).toMatchObject({
      action: 'denied',
      table_name: 'route',
      object_id: '/v1/routeiq/audit/export',
      address: '127.0.0.1',
      details: { role: 'internal_user', reason: expect.stringContaining('administrators') },
    })
    const metrics = (await get(gateway, '/metrics')).text
    expect(metric(metrics, 'routeiq_audit_denials_folded_total')).toBe(180)
    expect(metric(metrics, 'routeiq_audit_records_total', { action: 'denied' })).toBeGreaterThanOrEqual(20)
  })

  it('is exported whole or in part, and verified by the gateway and by the command', async () => {
    const text = await exported()
    const lines = text.trimEnd().split('\n')
    const last = lines.length
    expect(lines.map(line => (JSON.parse(line) as Row).seq)).toEqual(lines.map((_, index) => index + 1))
    // That somebody took a copy is on record, and not in that copy.
    expect((await list('?action=exported')).audit_logs[0]).toMatchObject({ seq: last + 1, object_id: `1 to ${last}` })
    expect(text).not.toContain(`1 to ${last}`)

    const file = join(data, 'export.ndjson')
    writeFileSync(file, text)
    expect(await verify('--export', file)).toMatchObject({ code: 0, out: expect.stringMatching(`1 to ${last}\n`) })
    const verdict = await done(gateway, 'GET', '/v1/routeiq/audit/verify')
    expect(verdict).toMatchObject({ valid: true, first: 1, last: last + 1 })
    expect(await verify('--sqlite', join(data, 'routeiq.db'))).toMatchObject({
      code: 0,
      out: expect.stringContaining(String(verdict['hash'])),
    })

    const part = await exported('?from_seq=5&to_seq=9')
    writeFileSync(file, part)
    expect(part.trimEnd().split('\n')).toHaveLength(5)
    expect(await verify('--export', file)).toMatchObject({ code: 1, out: expect.stringContaining('truncated_head') })
    expect(await verify('--export', file, '--partial')).toMatchObject({ code: 0 })
    expect(await exported('?start_date=2999-01-01')).toBe('')
    expect(await exported('?end_date=2000-01-01')).toBe('')
    expect((await exported(`?start_date=2000-01-01&end_date=2999-01-01`)).split('\n').length).toBeGreaterThan(last)
  })

  it('tells the exact place where somebody changed the table by hand', async () => {
    const db = new DatabaseSync(join(data, 'routeiq.db'))
    try {
      const { after } = db.prepare('select after from audit where seq = 7').get() as { after: string }
      db.prepare('update audit set after = ? where seq = 7').run(after.replace('null', '1'))
      const broken = { kind: 'changed', seq: 7 }
      expect(await done(gateway, 'GET', '/v1/routeiq/audit/verify')).toMatchObject({ valid: false, break: broken })
      expect(await verify('--sqlite', join(data, 'routeiq.db'))).toMatchObject({
        code: 1,
        out: expect.stringContaining('BROKEN at record 7 (changed)'),
      })
      db.prepare('update audit set after = ? where seq = 7').run(after)
      db.exec('delete from audit where seq = 12')
      expect(await done(gateway, 'GET', '/v1/routeiq/audit/verify')).toMatchObject({
        valid: false,
        records: 11,
        break: { kind: 'missing', seq: 12 },
      })
    } finally {
      db.close()
    }
  })
})

describe('a change and its record', () => {
  it('exist together or not at all', async () => {
    const keys = async () => (await done(gateway, 'GET', '/key/list'))['total_count']
    const before = [await keys(), (await list()).total]
    // The second use of an alias fails inside the transaction of the change.
    await newKey(gateway, { key_alias: 'only-one' })
    expect((await api(gateway, 'POST', '/key/generate', { key_alias: 'only-one' })).status).toBe(400)
    expect([await keys(), (await list()).total]).toEqual(before.map(count => Number(count) + 1))

    // What cannot be recorded does not happen.
    const db = new DatabaseSync(join(data, 'routeiq.db'))
    try {
      db.exec('alter table audit rename to away')
      expect((await api(gateway, 'POST', '/key/generate', {})).status).toBeGreaterThanOrEqual(500)
      db.exec('alter table away rename to audit')
    } finally {
      db.close()
    }
    expect([await keys(), (await list()).total]).toEqual(before.map(count => Number(count) + 1))
  })
})

describe('without an audit log', () => {
  it('nothing is recorded, and the config says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'routeiq-audit-'))
    const config = {
      model_list: [],
      litellm_settings: { store_audit_logs: false },
      routeiq: { data_directory: folder },
    }
    const quiet = await startGateway({ config })
    try {
      await newKey(quiet)
      expect(await done(quiet, 'GET', '/audit')).toMatchObject({ audit_logs: [], total: 0 })
      await quiet.waitForLog(/changes and denied actions are NOT recorded/)
    } finally {
      await quiet.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
