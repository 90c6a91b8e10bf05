import type { Logger } from '../platform/telemetry/logger.ts'

export interface SpareMemoryOptions {
  /** Milliseconds without a call after which memory is given back; asked at every look. 0: never. */
  readonly after: () => number
  /** Calls that ended, ever. */
  readonly calls: () => number
  readonly inFlight: () => number
  readonly log: Pick<Logger, 'info'>
  /** Collects all that can be collected. Default: V8's, which `--expose-gc` shows (see `launch.ts`); without it nothing is done. */
  readonly collect?: (() => void) | undefined
  readonly now?: () => number
}

/** A process that did less has little to give back. */
const fewCalls = 1000

/**
 * Gives memory back when calls let up. V8 collects when something is allocated: after busy hours a process that nobody
 * calls keeps, for long or for good, what they left, the room of the young generation and the code that only its start
 * needed. One thorough collection (0.1 s, nobody waits for it) returns 20 to 30 MB after short calls, 90 MB after ten
 * minutes of streams. The second after it costs twice as much processor time per call, so it comes only once after a busy time or the start, and not at a short pause.
 */
export class SpareMemory {
  readonly #options: SpareMemoryOptions
  readonly #collect: (() => void) | undefined
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #seen = 0
  #quietSince: number
  /** Calls that had ended when it was last given back. The start is work as well. */
  #served = Number.NEGATIVE_INFINITY

  constructor(options: SpareMemoryOptions) {
    this.#options = options
    this.#collect = options.collect ?? thorough()
    this.#now = options.now ?? (() => performance.now())
    this.#quietSince = this.#now()
  }

  start(interval = 1000): void {
    if (this.#collect === undefined) return
    this.#timer = setInterval(() => this.look(), interval)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  look(): void {
    const { after, calls, inFlight, log } = this.#options
    const now = this.#now()
    const ended = calls()
    if (ended !== this.#seen || inFlight() > 0) {
      this.#seen = ended
      this.#quietSince = now
      return
    }
    const wait = after()
    if (wait === 0 || now - this.#quietSince < wait || ended - this.#served < fewCalls) return
    this.#served = ended
    const before = process.memoryUsage.rss()
    this.#collect?.()
    const bytes = before - process.memoryUsage.rss()
    log.info({ bytes, duration_ms: Math.round(this.#now() - now) }, 'calls let up: memory was given back')
  }
}

/** Bytes of a heap that is collected as thoroughly as V8 can, in several rounds; a larger one would take seconds. */
const largeHeap = 150_000_000

function thorough(): (() => void) | undefined {
  const { gc } = globalThis
  if (gc === undefined) return undefined
  return () => {
    const flavor = process.memoryUsage().heapUsed > largeHeap ? 'regular' : 'last-resort'
    gc({ type: 'major', execution: 'sync', flavor })
  }
}
