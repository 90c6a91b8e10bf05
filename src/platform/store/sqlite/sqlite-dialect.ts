import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { checkedParameters } from '../parameters.ts'
import type { Connections } from './connections.ts'
import { SqliteSession } from './session.ts'

/** Kysely over our connections in threads. Its own dialect wants a synchronous driver on the event loop. */
export class SqliteThreadDialect implements Dialect {
  readonly #connections: Connections
  readonly #idleTimeoutMs: number

  constructor(connections: Connections, idleTimeoutMs: number) {
    this.#connections = connections
    this.#idleTimeoutMs = idleTimeoutMs
  }

  createDriver(): Driver {
    return new SqliteDriver(this.#connections, this.#idleTimeoutMs)
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler()
  }

  createAdapter(): SqliteAdapter {
    return new ConcurrentAdapter()
  }

  createIntrospector(db: Kysely<unknown>): SqliteIntrospector {
    return new SqliteIntrospector(db)
  }
}

/** Who may write when is decided by `Turns`; Kysely's own lock would make selects wait for transactions. */
class ConcurrentAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

class SqliteDriver implements Driver {
  readonly #connections: Connections
  readonly #idleTimeoutMs: number

  constructor(connections: Connections, idleTimeoutMs: number) {
    this.#connections = connections
    this.#idleTimeoutMs = idleTimeoutMs
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SqliteConnection> {
    return new SqliteConnection(new SqliteSession(this.#connections, this.#idleTimeoutMs))
  }

  /** Isolation and access mode need no choice: writers come one after another, which is serializable. */
  beginTransaction(connection: SqliteConnection): Promise<void> {
    return connection.session.begin()
  }

  commitTransaction(connection: SqliteConnection): Promise<void> {
    return connection.session.commit()
  }

  rollbackTransaction(connection: SqliteConnection): Promise<void> {
    return connection.session.rollback()
  }

  async savepoint(connection: SqliteConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`savepoint ${quoted(name)}`))
  }

  async rollbackToSavepoint(connection: SqliteConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`rollback to ${quoted(name)}`))
  }

  async releaseSavepoint(connection: SqliteConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`release ${quoted(name)}`))
  }

  async releaseConnection(): Promise<void> {}

  destroy(): Promise<void> {
    return this.#connections.close()
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

class SqliteConnection implements DatabaseConnection {
  readonly session: SqliteSession

  constructor(session: SqliteSession) {
    this.session = session
  }

  async executeQuery<R>(compiled: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, changes } = await this.session.run(
      compiled.sql,
      checkedParameters(compiled.parameters),
      isSelect(compiled),
    )
    // The caller states the row type to Kysely, and Kysely to us.
    const result = { rows: rows as R[] }
    return changes === undefined ? result : { ...result, numAffectedRows: BigInt(changes) }
  }

  // biome-ignore lint/correctness/useYield: part of Kysely's interface
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error('results are not streamed: read page by page (keysetAfter)')
  }
}

/** Only what cannot write may go to a reader. A raw `with …` may end in an insert. */
function isSelect({ query, sql }: CompiledQuery): boolean {
  return query.kind === 'SelectQueryNode' || (query.kind === 'RawNode' && /^\s*select\b/i.test(sql))
}
