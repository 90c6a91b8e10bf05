import { StoreUnavailable } from '../store.ts'

/** What `pg` throws for an error the server sent. */
interface ServerError extends Error {
  readonly code: string
  readonly severity: string
}

/**
 * SQLSTATE codes that speak of the server's state and not of the statement
 * (postgresql.org/docs/current/errcodes-appendix.html). Of the class 57 not 57014, `query_canceled`: that is the
 * statement timeout.
 */
const outages: ReadonlySet<string> = new Set([
  '25006', // read_only_sql_transaction: a standby answers, the primary has moved
  '57P01', // admin_shutdown, and pg_terminate_backend
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now: starting up or shutting down
  '57P04', // database_dropped
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout: the session is gone
  'XX001', // data_corrupted
  'XX002', // index_corrupted
])
/**
 * Connection exception; invalid authorization and unknown database (only ever said while connecting); insufficient
 * resources (too many connections, disk full); system error (I/O).
 */
const outageClasses: ReadonlySet<string> = new Set(['08', '28', '3D', '53', '58'])

/**
 * An error of a statement: the same one when the server refused the statement, `StoreUnavailable` when it, or the way to
 * it, is out of order.
 */
export function fromStatement(error: unknown): unknown {
  if (error instanceof StoreUnavailable || error instanceof RangeError) return error
  if (isServerError(error) && !outages.has(error.code) && !outageClasses.has(error.code.slice(0, 2))) return error
  // Anything else that `pg` throws is about its connection: ended, reset, timed out.
  return unreachable(error)
}

/** An error of connecting: whatever it is, there is no connection. */
export function unreachable(error: unknown): StoreUnavailable {
  const text = error instanceof Error ? messageOf(error) : String(error)
  return new StoreUnavailable(`the PostgreSQL database cannot be used: ${text}`, { cause: error })
}

/** Resolving a name that has several addresses fails with an error that has its reasons inside, and no message. */
function messageOf(error: Error): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message
  return error.message === '' ? String((error as NodeJS.ErrnoException).code) : error.message
}

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && 'severity' in error && typeof (error as ServerError).code === 'string'
}
