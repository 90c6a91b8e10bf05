import type { Connection, Result } from './connection.ts'
import type { Connections } from './connections.ts'

type Parameters = readonly (string | number | null)[]

interface OpenTransaction {
  /** The connection it began on. If that ends, so does the transaction: never its rest on the next connection. */
  readonly connection: Connection
  readonly giveTurnBack: () => void
  idle: NodeJS.Timeout | undefined
}

/** What Kysely takes for a connection: single statements, or one transaction that has the writing connection to itself. */
export class SqliteSession {
  readonly #connections: Connections
  readonly #idleTimeoutMs: number
  #transaction: OpenTransaction | undefined
  #expired = false

  constructor(connections: Connections, idleTimeoutMs: number) {
    this.#connections = connections
    this.#idleTimeoutMs = idleTimeoutMs
  }

  async run(sql: string, parameters: Parameters, readsOnly: boolean): Promise<Result> {
    this.#assertNotExpired()
    if (this.#transaction !== undefined) return this.#runInside(this.#transaction, sql, parameters)
    if (readsOnly && this.#connections.hasReaders) return this.#connections.read(sql, parameters)
    const giveTurnBack = await this.#connections.turns.take()
    try {
      return await this.#connections.writer.run(sql, parameters)
    } finally {
      giveTurnBack()
    }
  }

  /**
   * IMMEDIATE takes the write lock at once: a transaction that starts by reading and writes later could find that
   * another process wrote in between, and could only fail.
   */
  async begin(): Promise<void> {
    const giveTurnBack = await this.#connections.turns.take()
    try {
      const connection = this.#connections.writer
      await connection.run('begin immediate', [])
      this.#transaction = { connection, giveTurnBack, idle: undefined }
      this.#watch(this.#transaction)
    } catch (error) {
      giveTurnBack()
      throw error
    }
  }

  /** When it fails the transaction is still open: Kysely rolls it back. */
  async commit(): Promise<void> {
    this.#assertNotExpired()
    const transaction = this.#transaction
    if (transaction === undefined) return
    clearTimeout(transaction.idle)
    await transaction.connection.run('commit', [])
    this.#transaction = undefined
    transaction.giveTurnBack()
  }

  /** Nothing to do for one that expired: it was rolled back then. */
  async rollback(): Promise<void> {
    const transaction = this.#transaction
    this.#transaction = undefined
    if (transaction === undefined) return
    clearTimeout(transaction.idle)
    try {
      await transaction.connection.run('rollback', [])
    } catch (error) {
      // Whoever is next must not find itself inside this transaction.
      transaction.connection.discard()
      throw error
    } finally {
      transaction.giveTurnBack()
    }
  }

  async #runInside(transaction: OpenTransaction, sql: string, parameters: Parameters): Promise<Result> {
    clearTimeout(transaction.idle)
    try {
      return await transaction.connection.run(sql, parameters)
    } finally {
      this.#watch(transaction)
    }
  }

  #watch(transaction: OpenTransaction): void {
    clearTimeout(transaction.idle)
    if (this.#transaction !== transaction) return
    transaction.idle = setTimeout(() => {
      this.#expired = true
      this.rollback().catch(() => undefined)
    }, this.#idleTimeoutMs)
  }

  #assertNotExpired(): void {
    if (!this.#expired) return
    throw new Error(`the transaction was rolled back: it ran no statement for ${this.#idleTimeoutMs} ms`)
  }
}
