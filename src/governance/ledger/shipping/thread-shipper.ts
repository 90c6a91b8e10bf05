import type { Logger } from '../../../platform/telemetry/logger.ts'
import type { Listing } from '../journal/listing.ts'
import { noProgress, type Progress } from './backlog.ts'
import type { Report } from './shipping-messages.ts'
import type { OpenWorkplace, Workplace } from './workplace.ts'

export interface ThreadShipperOptions {
  readonly open: OpenWorkplace
  readonly log: Logger
  readonly onListing: (listing: Listing) => void
  /** Milliseconds after which the thread is started; a flush starts it at once. */
  readonly startAfter: number
}

interface Flush {
  readonly deadline: number
  readonly done: (complete: boolean) => void
}

/** Milliseconds until a thread that ended is started again; doubles up to the last, from its first successful step anew. */
const firstPause = 200
const maxPause = 30_000
/** Milliseconds beyond a deadline after which a thread that says nothing is given up. */
const grace = 500

/** The shipper in another thread, in which it is started again whenever it ends. The journal on disk is all they share. */
export class ThreadShipper {
  readonly #options: ThreadShipperOptions
  readonly #flushes = new Map<number, Flush>()
  #workplace: Workplace | undefined
  #lastId = 0
  #pause = firstPause
  #timer: NodeJS.Timeout | undefined
  #stopping = false
  #onEnd: (() => void) | undefined
  #progress: Progress = noProgress
  /** Of threads that have ended. */
  #before = { shipped: 0, damaged: 0, rejected: 0 }

  constructor(options: ThreadShipperOptions) {
    this.#options = options
  }

  get progress(): Progress {
    const { shipped, damaged, rejected } = this.#before
    const now = this.#progress
    return {
      ...now,
      shipped: now.shipped + shipped,
      damaged: now.damaged + damaged,
      rejected: now.rejected + rejected,
    }
  }

  start(): void {
    this.#startIn(this.#options.startAfter)
  }

  #startIn(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#open(), milliseconds)
    this.#timer.unref()
  }

  #open(): void {
    clearTimeout(this.#timer)
    const { open, log } = this.#options
    try {
      this.#workplace = open({
        reported: report => this.#reported(report),
        failed: error => log.error({ err: error }, 'the thread that ships the ledger failed'),
        ended: () => this.#ended(),
      })
    } catch (error) {
      log.warn({ err: error }, 'the ledger cannot be shipped; records wait on disk')
      this.#startAgain()
      return
    }
    // Those that the thread before did not answer.
    for (const [id, flush] of this.#flushes) this.#ask(id, flush)
  }

  /** As `Shipper.flush`. */
  async flush(timeout: number): Promise<boolean> {
    if (this.#stopping) return false
    const id = ++this.#lastId
    const deadline = performance.now() + timeout
    return new Promise(resolve => {
      const timer = setTimeout(() => flush.done(false), timeout + grace)
      const flush: Flush = {
        deadline,
        done: complete => {
          clearTimeout(timer)
          this.#flushes.delete(id)
          resolve(complete)
        },
      }
      this.#flushes.set(id, flush)
      // One that failed is given its pause; the flush waits for the next.
      if (this.#workplace === undefined && this.#pause === firstPause) this.#open()
      else this.#ask(id, flush)
    })
  }

  /** As `Shipper.stop`. */
  async stop(timeout: number): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    const workplace = this.#workplace
    if (workplace === undefined) return
    const ended = new Promise<void>(resolve => {
      this.#onEnd = resolve
    })
    const timer = setTimeout(() => workplace.abandon(), timeout + grace)
    workplace.hold()
    workplace.send({ do: 'stop', timeout })
    await ended
    clearTimeout(timer)
  }

  #ask(id: number, { deadline }: Flush): void {
    const timeout = Math.max(0, deadline - performance.now())
    this.#workplace?.send({ do: 'flush', id, timeout })
  }

  #reported(report: Report): void {
    switch (report.what) {
      case 'progress':
        this.#progress = report.progress
        this.#pause = firstPause
        break
      case 'listing':
        this.#options.onListing(report.listing)
        break
      case 'flushed':
        this.#flushes.get(report.id)?.done(report.complete)
        break
      case 'log':
        this.#options.log[report.level](report.fields, report.message)
        break
      case 'stopped':
        break
    }
  }

  #ended(): void {
    this.#workplace = undefined
    if (this.#stopping) {
      for (const { done } of this.#flushes.values()) done(false)
      this.#onEnd?.()
      return
    }
    const { shipped, damaged, rejected } = this.progress
    this.#before = { shipped, damaged, rejected }
    this.#progress = { ...this.#progress, shipped: 0, damaged: 0, rejected: 0 }
    this.#options.log.error({ retry_ms: this.#pause }, 'the thread that ships the ledger ended; it is started again')
    this.#startAgain()
  }

  #startAgain(): void {
    this.#startIn(this.#pause)
    this.#pause = Math.min(maxPause, this.#pause * 2)
  }
}
