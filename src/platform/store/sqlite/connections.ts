import { StoreUnavailable } from '../store.ts'
import { Connection, type Result } from './connection.ts'
import { isShortRead } from './short-reads.ts'
import { Turns } from './turns.ts'

/** Another connection is used when one has been busy for this long, milliseconds: a report runs. */
const slow = 50
const maxReaders = 2
/** Milliseconds without a read after which readers are closed: a thread takes 11 MB. */
const readersRest = 10_000
/** Milliseconds after which a connection that ended is opened again, at the earliest. */
const reopenPause = 1000

/**
 * The connections to one database: one that writes, and readers for selects outside transactions. Short selects go to the
 * one that writes while it has nothing else to do. Readers are opened when they are needed, and closed when they are not;
 * a database in memory has none, because it is its one connection.
 */
export class Connections {
  readonly path: string
  readonly turns = new Turns()
  readonly #busyTimeoutMs: number
  readonly #onOutage: (error: StoreUnavailable) => void
  #writer: Connection | undefined
  #readers: Connection[] = []
  /** Those that finish what they have. */
  readonly #leaving = new Set<Connection>()
  #rest: NodeJS.Timeout | undefined
  /** When a connection was last opened in place of one that ended. */
  #reopenedAt = Number.NEGATIVE_INFINITY
  #closed = false
  #serving = false

  constructor(path: string, busyTimeoutMs: number, onOutage: (error: StoreUnavailable) => void) {
    this.path = path
    this.#busyTimeoutMs = busyTimeoutMs
    this.#onOutage = onOutage
  }

  /** From now on selects have connections of their own. Before, while the tables are prepared, one is enough. */
  serve(): void {
    this.#serving = !this.#inMemory
  }

  get hasReaders(): boolean {
    return this.#serving
  }

  get #inMemory(): boolean {
    return this.path === ':memory:'
  }

  /** Use it only in a turn. */
  get writer(): Connection {
    this.#assertOpen()
    if (this.#writer?.alive === true) return this.#writer
    if (this.#writer !== undefined) {
      if (this.#inMemory) throw new StoreUnavailable('the database in memory is lost: its thread has ended')
      this.#pace()
    }
    this.#writer = this.#open(false)
    return this.#writer
  }

  /** One select, outside transactions: sees everything that was committed before. */
  read(sql: string, parameters: readonly (string | number | null)[]): Promise<Result> {
    return (isShortRead(sql) ? this.#readWithWriter(sql, parameters) : undefined) ?? this.#reader().run(sql, parameters)
  }

  #readWithWriter(sql: string, parameters: readonly (string | number | null)[]): Promise<Result> | undefined {
    if ((this.#writer?.busyFor ?? 0) >= slow) return undefined
    const giveTurnBack = this.turns.share()
    if (giveTurnBack === undefined) return undefined
    try {
      return this.writer.run(sql, parameters).finally(giveTurnBack)
    } catch (error) {
      giveTurnBack()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    // Readers first: the last connection to close moves what is left in the log into the file.
    const turn = await this.turns.take().catch(() => () => undefined)
    this.#closed = true
    clearTimeout(this.#rest)
    await Promise.all([...this.#readers, ...this.#leaving].map(reader => reader.close()))
    await this.#writer?.close()
    turn()
  }

  #reader(): Connection {
    this.#assertOpen()
    this.#rest = this.#rest?.refresh() ?? setTimeout(() => this.#closeReaders(), readersRest).unref()
    const alive = this.#readers.filter(reader => reader.alive)
    if (alive.length < this.#readers.length && alive.length === 0) this.#pace()
    this.#readers = alive
    let best: Connection | undefined
    for (const reader of this.#readers) {
      if (best === undefined || reader.busyFor < best.busyFor) best = reader
    }
    if (best !== undefined && (best.busyFor < slow || this.#readers.length >= maxReaders)) return best
    const opened = this.#open(true)
    this.#readers.push(opened)
    return opened
  }

  #closeReaders(): void {
    const idle = this.#readers.filter(reader => reader.idle)
    this.#readers = this.#readers.filter(reader => !reader.idle)
    for (const reader of idle) {
      this.#leaving.add(reader)
      void reader.close().then(() => this.#leaving.delete(reader))
    }
    this.#rest = this.#readers.length === 0 ? undefined : this.#rest?.refresh()
  }

  #open(readOnly: boolean): Connection {
    return new Connection({ path: this.path, readOnly, busyTimeoutMs: this.#busyTimeoutMs }, this.#onOutage)
  }

  /** A file that cannot be opened must not cost a thread per statement. */
  #pace(): void {
    const now = performance.now()
    if (now < this.#reopenedAt + reopenPause) throw new StoreUnavailable('the SQLite database is being opened again')
    this.#reopenedAt = now
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailable('the store is closed')
  }
}
