import { closeSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { Kysely } from 'kysely'
import { GatewayError } from '../../errors/gateway-error.ts'
import { Availability } from '../availability.ts'
import { migrate } from '../migrations/migrate.ts'
import type { Store } from '../store.ts'
import type { MemoryOptions, SqliteOptions } from '../store-options.ts'
import type { Tables } from '../tables.ts'
import { Connections } from './connections.ts'
import { SqliteSession } from './session.ts'
import { SqliteThreadDialect } from './sqlite-dialect.ts'

/** @throws StoreUnavailable, GatewayError: see `openStore` */
export async function openSqlite(options: MemoryOptions | SqliteOptions): Promise<Store> {
  const path = options.kind === 'memory' ? ':memory:' : resolve(options.path)
  const busyTimeoutMs = (options.kind === 'sqlite' ? options.busyTimeoutMs : undefined) ?? 5000
  const idleTimeoutMs = options.idleTransactionTimeoutMs ?? 30_000
  if (options.kind === 'sqlite') createFile(path)

  const connections = new Connections(path, busyTimeoutMs, error => availability.lost(error))
  const availability = new Availability(async () => {
    const session = new SqliteSession(connections, idleTimeoutMs)
    await session.begin()
    await session.rollback()
  }, options.onAvailability)
  const db = new Kysely<Tables>({ dialect: new SqliteThreadDialect(connections, idleTimeoutMs) })
  const store: Store = {
    dialect: 'sqlite',
    db,
    description: options.kind === 'memory' ? 'SQLite in memory' : `SQLite file ${path}`,
    get available() {
      return availability.available
    },
    ...(options.kind === 'sqlite' && {
      invite: (module: URL, settings: unknown) => connections.writer.invite(module, settings),
    }),
    async close() {
      availability.stop()
      await connections.close()
    },
  }
  try {
    await connections.writer.opened
    await migrate(db, 'sqlite')
    connections.serve()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

/** It will hold password hashes and spending: for its owner only. SQLite gives its log files the same mode. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new GatewayError('config_invalid', `cannot open the SQLite database ${path} (${code}): ${advice(code)}`, {
      cause: error,
    })
  }
}

function advice(code: string): string {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'create its folder first'
    case 'EISDIR':
      return 'it is a folder; give the path of a file in it'
    default:
      return 'this user must be able to write it'
  }
}
