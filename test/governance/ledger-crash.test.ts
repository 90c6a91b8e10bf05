import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { keyRow, managed } from '../../src/governance/ledger/ledger.fixtures.ts'
import { openLedger } from '../../src/governance/ledger/ledger.ts'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import type { Store } from '../../src/platform/store/store.ts'
import { createLogger } from '../../src/platform/telemetry/logger.ts'
import { nodePath, root } from '../harness/gateway.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'

const rounds = 20
let folder: string
let children: ChildProcess[]
let postgres: Service | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'routeiq-crash-'))
  children = []
})
afterEach(async () => {
  for (const child of children) await kill(child)
  await postgres?.stop()
  postgres = undefined
  rmSync(folder, { recursive: true, force: true })
})

/** Starts a writer and waits until it has been told of its first records. */
async function startWriter(name: string): Promise<ChildProcess> {
  const program = join(root, 'test/governance/fixtures/ledger-writer.ts')
  const database = postgres === undefined ? [] : [postgres.url]
  const child = spawn(nodePath(), [program, folder, name, ...database], { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  const acknowledged = join(folder, `${name}.acknowledged`)
  while (!existsSync(acknowledged) || statSync(acknowledged).size === 0) {
    if (child.exitCode !== null) throw new Error(`the writer ended with ${child.exitCode}`)
    await pause(5)
  }
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Ids and costs of the records that callers were told are written; a note torn by the kill is none. */
function acknowledgedRecords(): Map<string, number> {
  const found = new Map<string, number>()
  for (const name of readdirSync(folder).filter(file => file.endsWith('.acknowledged'))) {
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1)) {
      const [id = '', cost] = line.split(' ')
      found.set(id, Number(cost))
    }
  }
  return found
}

async function prepare(store: Store): Promise<void> {
  for (let index = 0; index < 7; index++)
    await store.db
      .insertInto('keys')
      .values(keyRow(`k${index}`))
      .execute()
  const user = {
    user_id: 'u',
    user_email: null,
    user_alias: null,
    sso_user_id: null,
    user_role: 'internal_user',
    password_hash: null,
    budget_id: null,
    spend: 0,
    budget_reset_at: null,
    blocked: 0,
  }
  await store.db
    .insertInto('users')
    .values({ ...user, ...managed })
    .execute()
}

const databases = services.postgres ? ['SQLite', 'PostgreSQL'] : ['SQLite']

it.each(databases)(
  'kill -9 with %s: nothing that was told is lost, nothing doubled; 20 times, two processes on one directory',
  async database => {
    if (database === 'PostgreSQL') postgres = await startPostgres()
    const store = await openStore(
      postgres === undefined
        ? { kind: 'sqlite', path: join(folder, 'store.db') }
        : { kind: 'postgres', url: new Secret(postgres.url) },
    )
    await prepare(store)
    let names = 0
    for (let round = 0; round < rounds; round++) {
      const pair = await Promise.all([startWriter(`w${names++}`), startWriter(`w${names++}`)])
      await pause(Math.random() * 150)
      // One dies first: the other takes over what it left, or is killed while it does.
      await kill(pair[round % 2]!)
      await pause(Math.random() * 100)
      await kill(pair[(round + 1) % 2]!)
    }
    const directory = join(folder, 'journal')
    const ledger = openLedger({ directory, store, log: createLogger({ level: 'silent' }) })
    expect(await ledger.flush(60_000)).toBe(true)
    expect(ledger.backlog()).toMatchObject({ rejected: 0, dropped: 0 })

    const rows = await store.db.selectFrom('ledger').select(['id', 'cost', 'token']).execute()
    const byId = new Map(rows.map(row => [row.id, row.cost]))
    const told = acknowledgedRecords()
    expect(told.size).toBeGreaterThan(rounds * 10)
    const lost = [...told].filter(([id, cost]) => byId.get(id) !== cost)
    expect(lost).toEqual([])
    expect(rows).toHaveLength(byId.size)
    // What was written in the very turn of the kill may be in the books without its caller having been told.
    expect(rows.length - told.size).toBeLessThanOrEqual(2 * rounds * 5)

    const total = rows.reduce((sum, row) => sum + row.cost, 0)
    const keys = await store.db.selectFrom('keys').select(['token', 'spend']).execute()
    for (const { token, spend } of keys) {
      const own = rows.filter(row => row.token === token).reduce((sum, row) => sum + row.cost, 0)
      expect(spend, token).toBe(own)
    }
    expect((await store.db.selectFrom('users').select('spend').executeTakeFirst())?.spend).toBe(total)
    for (const entity of ['all', 'user', 'tag']) {
      const sums = await store.db
        .selectFrom('daily_spend')
        .select(['cost', 'requests'])
        .where('entity', '=', entity)
        .execute()
      expect(
        sums.reduce((sum, row) => sum + row.cost, 0),
        entity,
      ).toBe(total)
      expect(
        sums.reduce((sum, row) => sum + row.requests, 0),
        entity,
      ).toBe(rows.length)
    }
    await ledger.close(1000)
    await store.close()
  },
  240_000,
)
