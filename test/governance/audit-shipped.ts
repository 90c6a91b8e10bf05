import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { audit } from '../../src/cli/audit.ts'
import { eventually, get, metric } from '../control/setup.ts'
import type { Gateway } from '../harness/gateway.ts'
import type { S3Server } from './audit-s3.ts'
import { done } from './setup.ts'

export interface Shipped {
  /** Numbers of all records in all objects, in the order of the objects' names. */
  readonly seqs: readonly number[]
  readonly code: number
  /** What the command says. */
  readonly out: string
}

/** Takes every object out of the bucket and verifies them with the command, as an auditor would. */
export async function verifyShipped(s3: S3Server, prefix: string, ...args: string[]): Promise<Shipped> {
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-shipped-'))
  try {
    const seqs: number[] = []
    for (const key of await s3.keys(prefix)) {
      const text = await s3.read(key)
      const file = join(folder, key.replace(/\.gz$/, ''))
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      if (!key.includes('.ndjson')) continue
      for (const line of text.trimEnd().split('\n')) seqs.push((JSON.parse(line) as { seq: number }).seq)
    }
    const out: string[] = []
    const code = await audit(['verify', '--export', folder, ...args], {}, text => out.push(text))
    return { seqs, code, out: out.join('') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1)

/** Resolves when the gauge shows so many records that the sink has not confirmed. */
export async function backlogOf(gateway: Gateway, sink: string, records: number): Promise<void> {
  await eventually(async () => {
    const text = (await get(gateway, '/metrics')).text
    const known = text.includes(`routeiq_audit_sink_backlog_records{sink="${sink}"}`)
    return known && metric(text, 'routeiq_audit_sink_backlog_records', { sink }) === records ? true : undefined
  }, 30_000)
}

/** Resolves when the sink has everything that is recorded now. */
export async function drained(gateway: Gateway, sink: string): Promise<void> {
  const total = Number((await done(gateway, 'GET', '/audit'))['total'])
  await eventually(async () => {
    const text = (await get(gateway, '/metrics')).text
    return metric(text, 'routeiq_audit_sink_seq', { sink }) >= total ? true : undefined
  }, 90_000)
}
