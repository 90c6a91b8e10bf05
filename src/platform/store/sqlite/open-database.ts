import { DatabaseSync } from 'node:sqlite'
import type { ThreadError, ThreadSettings } from './protocol.ts'

/** SQLITE_BUSY: another process holds the lock. */
const busy = 5

/** For threads: opening and preparing the file waits where another process holds it. Loads nothing but `node:sqlite`. */
export function openDatabase({ path, readOnly, busyTimeoutMs }: ThreadSettings): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly, timeout: busyTimeoutMs })
  try {
    db.exec('pragma temp_store = memory')
    if (readOnly) return db
    // WAL: readers and the writer do not wait for each other. NORMAL: a commit survives the end of the process at any
    // moment; a power cut may take the last ones, never the file's consistency (sqlite.org/wal.html, §"Durability").
    // The first process to come switches to WAL, which needs the file for itself.
    const prepare = 'pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on'
    retryWhileBusy(busyTimeoutMs, () => db.exec(prepare))
    db.exec('pragma journal_size_limit = 67108864')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * SQLite waits by itself (`busy_timeout`), except where it sees that waiting may not help: while the file is switched
 * to WAL or recovered after a crash. Nothing has happened then, so the work is simply tried again, for the same time.
 */
export function retryWhileBusy<T>(busyTimeoutMs: number, work: () => T): T {
  const deadline = performance.now() + busyTimeoutMs
  for (;;) {
    try {
      return work()
    } catch (error) {
      if ((threadError(error).errcode ?? 0) % 256 !== busy || performance.now() >= deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5 + Math.random() * 20)
    }
  }
}

/** What of an error goes from a thread to the event loop. */
export function threadError(error: unknown): ThreadError {
  if (!(error instanceof Error)) return { message: String(error), errcode: undefined }
  return { message: error.message, errcode: (error as { errcode?: number }).errcode }
}
