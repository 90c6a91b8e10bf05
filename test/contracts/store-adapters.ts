import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import type { Store } from '../../src/platform/store/store.ts'
import { type Service, services, startPostgres } from '../harness/services.ts'

export interface Adapter {
  readonly name: string
  /** Whether it can be used on this machine. */
  readonly usable: boolean
  start(): Promise<void>
  /** An empty store of its own. */
  open(options?: { idleTransactionTimeoutMs?: number; lockTimeoutMs?: number }): Promise<Store>
  stop(): Promise<void>
}

const opened = new Set<Store>()

async function tracked(store: Promise<Store>): Promise<Store> {
  const ready = await store
  opened.add(ready)
  return ready
}

export async function closeStores(): Promise<void> {
  for (const store of opened) await store.close()
  opened.clear()
}

function sqliteFile(): Adapter {
  let folder = ''
  let files = 0
  return {
    name: 'SQLite in a file',
    usable: true,
    async start() {
      folder = mkdtempSync(join(tmpdir(), 'routeiq-store-'))
    },
    open: options => tracked(openStore({ kind: 'sqlite', path: join(folder, `${++files}.db`), ...options })),
    async stop() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function postgres(): Adapter {
  let server: Service | undefined
  let schemas = 0
  return {
    name: 'PostgreSQL',
    usable: services.postgres,
    async start() {
      server = await startPostgres()
      const client = new pg.Client({ connectionString: server.url })
      await client.connect()
      // A database whose own order of texts is a dictionary's: the store's must not depend on it.
      await client.query(`create database contract template template0 locale_provider icu icu_locale 'en-US'`)
      await client.end()
    },
    open(options) {
      const url = new Secret(`${server?.url.replace(/postgres$/, 'contract')}?schema=contract_${++schemas}`)
      return tracked(openStore({ kind: 'postgres', url, ...options }))
    },
    async stop() {
      await server?.stop()
    },
  }
}

export const adapters: readonly Adapter[] = [
  {
    name: 'SQLite in memory',
    usable: true,
    async start() {},
    open: options => tracked(openStore({ kind: 'memory', ...options })),
    async stop() {},
  },
  sqliteFile(),
  postgres(),
]
