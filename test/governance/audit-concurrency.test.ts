import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { audit } from '../../src/cli/audit.ts'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore, type StoreOptions } from '../../src/platform/store/open-store.ts'
import { nodePath, root } from '../harness/gateway.ts'
import { services, startPostgres } from '../harness/services.ts'
import { upTo } from './audit-shipped.ts'

const writers = ['a', 'b', 'c', 'd']
const each = 1000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-audit-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(target: string, name: string): Promise<void> {
  const script = join(root, 'test/governance/audit-writer.ts')
  const child = spawn(nodePath(), [script, target, name, String(each)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  return new Promise((resolve, reject) => {
    child.on('exit', code => (code === 0 ? resolve() : reject(new Error(`writer ${name}: exit ${code}\n${errors}`))))
  })
}

/** Four processes at once, then: gap-free, sound, and everything every one of them wrote is there. */
async function proveFourWriters(target: string, options: StoreOptions, source: string): Promise<void> {
  // The tables are there before they race.
  await (await openStore(options)).close()
  await Promise.all(writers.map(name => write(target, name)))
  const out: string[] = []
  expect(await audit(['verify', source, target], {}, text => out.push(text)), out.join('')).toBe(0)
  const total = writers.length * each
  expect(out.join('')).toContain(`valid: ${total} records, 1 to ${total}\n`)
  const store = await openStore(options)
  try {
    const rows = await store.db.selectFrom('audit').select(['seq', 'actor', 'object_id']).orderBy('seq').execute()
    expect(rows.map(({ seq }) => seq)).toEqual(upTo(total))
    for (const name of writers) {
      const own = rows.filter(({ actor }) => actor === name).map(({ object_id }) => object_id)
      expect(new Set(own)).toEqual(new Set(upTo(each).map(index => `${name}-${index - 1}`)))
      expect(own).toHaveLength(each)
    }
  } finally {
    await store.close()
  }
}

describe('four processes that append 1,000 records each', () => {
  it('make one gap-free chain on SQLite', async () => {
    const path = join(folder, 'routeiq.db')
    await proveFourWriters(path, { kind: 'sqlite', path }, '--sqlite')
  })

  it.skipIf(!services.postgres)('make one gap-free chain on PostgreSQL', async () => {
    const postgres = await startPostgres()
    try {
      await proveFourWriters(postgres.url, { kind: 'postgres', url: new Secret(postgres.url) }, '--database-url')
    } finally {
      await postgres.stop()
    }
  })
})
