import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { StoreUnavailable } from '../store.ts'
import type { Arrival } from './guests.ts'
import { type Answer, closeThread, type Opened, type ThreadSettings } from './protocol.ts'
import { fromThread } from './sqlite-error.ts'

export interface Result {
  readonly rows: Record<string, unknown>[]
  readonly changes: number | undefined
}

interface Waiting {
  readonly resolve: (result: Result) => void
  readonly reject: (error: Error) => void
}

/** Statements sent to a thread and not answered; beyond it the database cannot keep up and callers are told so. */
const maxWaiting = 10_000
/** Milliseconds a thread may take to close its connection. */
const closeTimeout = 10_000
/** Results are bounded in rows; this is the second bound, and what V8 may keep of garbage before it collects. */
const resourceLimits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 4 }

/** One SQLite connection in a thread of its own. The thread keeps the process alive only while a statement runs. */
export class Connection {
  readonly #worker: Worker
  readonly #opened: Promise<void>
  readonly #ended: Promise<void>
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #failure: Error | undefined
  #isOpen = false
  #closing = false
  #busySince = 0
  readonly #onOutage: (error: StoreUnavailable) => void

  /** @param onOutage told when the thread ends, and when a statement finds that the database cannot be used */
  constructor(settings: ThreadSettings, onOutage: (error: StoreUnavailable) => void) {
    this.#onOutage = onOutage
    // The sources run as they are, the release is compiled: the thread's file has the extension of this one.
    const entry = new URL(`./connection-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    this.#worker = new Worker(entry, {
      workerData: settings,
      resourceLimits,
      // Not the flags of this process. Node 22 calls `node:sqlite` experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      name: settings.readOnly ? 'sqlite reader' : 'sqlite',
    })
    this.#ended = new Promise(resolve => this.#worker.once('exit', () => resolve()))
    this.#opened = new Promise((resolve, reject) => {
      this.#worker.once('message', (message: Opened) => {
        this.#worker.on('message', (answer: Answer) => this.#answered(answer))
        if (!message.opened) return reject(this.#fail(fromThread(message.error)))
        this.#isOpen = true
        this.#busySince = performance.now()
        this.#rest()
        resolve()
      })
      this.#worker.once('error', error => reject(this.#fail(closed(error.message))))
      this.#worker.once('exit', () => reject(this.#fail(closed('its thread has ended'))))
    })
    // Statements are told as well; when there is none yet, nobody asking must not be a crash.
    this.#opened.catch(() => undefined)
  }

  /** Rejects with what SQLite said when the file cannot be opened. */
  get opened(): Promise<void> {
    return this.#opened
  }

  /** False once its thread has ended. */
  get alive(): boolean {
    return this.#failure === undefined
  }

  /** Nothing was sent to it that it has not answered. */
  get idle(): boolean {
    return this.#waiting.size === 0
  }

  /** For how long the statement that runs now has been running, milliseconds; 0 when idle or still being opened. */
  get busyFor(): number {
    return this.#waiting.size === 0 || !this.#isOpen ? 0 : performance.now() - this.#busySince
  }

  /** Statements wait in the thread, in order; also until it has opened the database. */
  run(sql: string, parameters: readonly (string | number | null)[]): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#waiting.size >= maxWaiting) {
      return Promise.reject(new StoreUnavailable(`the SQLite database cannot keep up: ${maxWaiting} statements wait`))
    }
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      if (this.#waiting.size === 0) {
        this.#busySince = performance.now()
        this.#worker.ref()
      }
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, sql, parameters })
    })
  }

  /** Runs a module in the thread, see `guests.ts`. The port closes when one of both ends. @throws StoreUnavailable */
  invite(module: URL, settings: unknown): MessagePort {
    if (this.#failure !== undefined) throw this.#failure
    const { port1, port2 } = new MessageChannel()
    const arrival: Arrival = { guest: module.href, settings, port: port2 }
    this.#worker.postMessage(arrival, [port2])
    return port1
  }

  /** Ends it as it is; SQLite rolls back what was open. */
  discard(): void {
    void this.#worker.terminate()
  }

  /** Lets the statements sent before finish. */
  async close(): Promise<void> {
    this.#closing = true
    this.#worker.ref()
    this.#worker.postMessage(closeThread)
    const timer = setTimeout(() => void this.#worker.terminate(), closeTimeout)
    await this.#ended
    clearTimeout(timer)
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    this.#busySince = performance.now()
    this.#rest()
    if (waiting === undefined) return
    if (!('error' in answer)) {
      waiting.resolve({ rows: asObjects(answer.columns, answer.rows), changes: answer.changes })
      return
    }
    const error = fromThread(answer.error)
    if (error instanceof StoreUnavailable) this.#onOutage(error)
    waiting.reject(error)
  }

  /** An idle thread does not keep the process alive. */
  #rest(): void {
    if (this.#waiting.size === 0) this.#worker.unref()
  }

  /** The first reason is the one that everybody is told. */
  #fail(reason: Error): Error {
    if (this.#failure === undefined) {
      this.#failure = reason
      if (reason instanceof StoreUnavailable && !this.#closing) this.#onOutage(reason)
    }
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure)
    this.#waiting.clear()
    return this.#failure
  }
}

function closed(why: string): StoreUnavailable {
  return new StoreUnavailable(`the SQLite database is closed: ${why}`)
}

/**
 * Rows travel as arrays: 3.3 ms per 1,000 rows of 29 columns there and back, 5.2 ms as objects, 4.1 ms as JSON text
 * (Node 24; the event loop is busy for about 1 ms in each).
 */
function asObjects(columns: readonly string[], rows: readonly (readonly unknown[])[]): Record<string, unknown>[] {
  return rows.map(row => {
    const object: Record<string, unknown> = {}
    for (let index = 0; index < columns.length; index++) object[columns[index] ?? ''] = row[index]
    return object
  })
}
