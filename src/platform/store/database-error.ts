/**
 * What a failed statement means, on both databases. SQLite's extended result codes: sqlite.org/rescode.html;
 * PostgreSQL's SQLSTATE codes: postgresql.org/docs/current/errcodes-appendix.html.
 */
interface DatabaseErrorFields {
  /** SQLite. */
  readonly errcode?: number
  /** PostgreSQL. */
  readonly code?: string
  readonly detail?: string
  readonly message: string
}

/** SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_ROWID. */
const sqliteUnique: readonly (number | undefined)[] = [1555, 2067, 2579]

/**
 * A row with the same key is there already.
 * @param column only when this column is part of the key: `isUniqueViolation(error, 'key_alias')`
 */
export function isUniqueViolation(error: unknown, column?: string): boolean {
  if (!(error instanceof Error)) return false
  const { errcode, code, message, detail = '' }: DatabaseErrorFields = error
  if (sqliteUnique.includes(errcode)) {
    // "UNIQUE constraint failed: keys.key_alias, keys.other"
    const columns = message.slice(message.indexOf(': ') + 2).split(', ')
    return column === undefined || columns.some(name => name.slice(name.indexOf('.') + 1) === column)
  }
  if (code !== '23505') return false
  // "Key (key_alias, other)=(…) already exists."
  const columns = /^Key \(([^)]*)\)=/.exec(detail)?.[1]?.split(', ') ?? []
  return column === undefined || columns.includes(column)
}

/** serialization_failure, deadlock_detected, lock_not_available. */
const postgresConflicts: ReadonlySet<string | undefined> = new Set(['40001', '40P01', '55P03'])

/** The transaction met another one and was undone: the same work may succeed now. */
export function isConflict(error: unknown): boolean {
  return error instanceof Error && (postgresConflicts.has((error as DatabaseErrorFields).code) || isBusy(error))
}

/** SQLite: another process kept the write lock for longer than `busyTimeoutMs`; nothing was done. */
export function isBusy(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause ?? error) : undefined
  return cause instanceof Error && ((cause as DatabaseErrorFields).errcode ?? 0) % 256 === 5
}
