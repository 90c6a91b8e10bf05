import type { DatabaseSync, StatementSync } from 'node:sqlite'

export interface Prepared {
  readonly statement: StatementSync
  /** Empty when the statement returns no rows. */
  columns: readonly string[]
}

/** The queries of the gateway are a few dozen; those of reports vary. */
const maxStatements = 128
/** Inserts of many rows are long and rarely twice of the same length: not worth their memory. */
const maxCachedLength = 8192

/** Prepared statements by their text, the least recently used dropped first. */
export class StatementCache {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, Prepared>()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  get(sql: string): Prepared {
    const known = this.#statements.get(sql)
    if (known !== undefined) {
      this.#statements.delete(sql)
      this.#statements.set(sql, known)
      return known
    }
    const statement = this.#db.prepare(sql)
    statement.setReturnArrays(true)
    const prepared: Prepared = { statement, columns: columnsOf(statement) }
    if (sql.length <= maxCachedLength) this.#keep(sql, prepared)
    return prepared
  }

  forget(sql: string): void {
    this.#statements.delete(sql)
  }

  #keep(sql: string, prepared: Prepared): void {
    this.#statements.set(sql, prepared)
    if (this.#statements.size <= maxStatements) return
    const oldest = this.#statements.keys().next().value
    if (oldest !== undefined) this.#statements.delete(oldest)
  }
}

export function columnsOf(statement: StatementSync): readonly string[] {
  return statement.columns().map(column => column.name)
}
