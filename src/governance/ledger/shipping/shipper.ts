import { unlinkSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../platform/clock.ts'
import { StoreUnavailable } from '../../../platform/store/store.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import { DirectoryLock } from '../journal/directory-lock.ts'
import { type Listing, monotonicMs } from '../journal/listing.ts'
import { type JournalLine, readSegment } from '../journal/read-segment.ts'
import { listSegments, type Segment } from '../journal/segments.ts'
import { backlogOf, noProgress, type Progress } from './backlog.ts'
import { NewerLine, parseLine, readableLines } from './parse-lines.ts'
import { CursorMoved, type Sink } from './sink.ts'

export interface ShipperOptions {
  readonly directory: string
  readonly instance: string
  readonly sink: Sink
  readonly clock: Clock
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  /** False: another process of those that share the directory ships. */
  readonly ship: boolean
  /** Milliseconds between two looks at the journal. */
  readonly interval: number
  /** Records per transaction. */
  readonly batchSize: number
  /** Milliseconds after which no writer touches a segment any more. */
  readonly segmentAge: number
  /** Told of every look at the directory, and of the bytes of everything there. */
  readonly onListing: (listing: Listing, totalBytes: number) => void
  /** Told after every step; the same object while nothing changed. */
  readonly onProgress?: (progress: Progress) => void
  /** Milliseconds to rest after a batch, unless a flush waits. Default 0: one turn of the event loop. */
  readonly rest?: (backlogBytes: number) => number
}

/** Milliseconds; a large backlog is shipped in many rounds, each of which begins with a look at what is there. */
const longestRound = 250
const firstBackoff = 500
const maxBackoff = 30_000
/** Between two tries of a flush. */
const retryPause = 50
/** Records the store refuses for what they say, not for its state. Kept aside, whole, for a person to look at. */
const rejectedFile = 'rejected.lines'
const maxRejected = 10_000

/**
 * The reading end: one process of those that share a directory ships the lines of all of them, its own and those of
 * processes that have died, in order, batch by batch, and deletes the files that are done.
 */
export class Shipper {
  readonly #options: ShipperOptions
  readonly #lock: DirectoryLock
  /** By segment: how far the store has it. */
  readonly #cursors = new Map<string, number>()
  /** Segments that cannot be read on; said once. */
  readonly #stuck = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #stopped = false
  /** The last round shipped everything that can be. */
  #complete = false
  /** It ended before that, to look at the directory again. */
  #unfinished = false
  #pause = 0
  #notBefore = 0
  /** Everything in the directory at the last look. */
  #listedBytes = 0
  #progress: Progress = noProgress
  /** Flushes that wait: no rest until they are done. */
  #hurry = 0
  #wake: (() => void) | undefined

  constructor(options: ShipperOptions) {
    this.#options = options
    this.#lock = new DirectoryLock(options.directory, 'shipper.lock', options.instance)
  }

  get progress(): Progress {
    return this.#progress
  }

  start(): void {
    this.#schedule(0)
  }

  /**
   * Ships what there is until nothing is left, this process is not the one that ships, or the time is up.
   * @returns whether nothing is left
   */
  async flush(timeout: number): Promise<boolean> {
    this.#hurry++
    this.#wake?.()
    try {
      return await this.#flushWithin(timeout)
    } finally {
      this.#hurry--
    }
  }

  async #flushWithin(timeout: number): Promise<boolean> {
    const deadline = performance.now() + timeout
    // A round that runs already may have listed the files before the flush.
    if (this.#round !== undefined && !(await within(deadline, this.#round))) return false
    for (;;) {
      this.#complete = false
      this.#notBefore = 0
      if (!(await within(deadline, this.#runRound()))) return false
      if (this.#complete || !this.#lock.held) return this.#complete
      if (this.#unfinished) continue
      if (!(await within(deadline, new Promise(resolve => setTimeout(resolve, retryPause).unref())))) return false
    }
  }

  /** Flush and close the journal before; what is left waits on disk for the next process. */
  async stop(timeout: number): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    clearTimeout(this.#timer)
    const deadline = performance.now() + timeout
    if (this.#round !== undefined) await within(deadline, this.#round)
    // The last files of this instance are finished now, and with everything shipped they are gone.
    await within(deadline, this.#deleteFinished(this.#list(), true))
    this.#lock.release()
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, milliseconds)
      timer.unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #note(changes: Partial<Progress>): void {
    const known = this.#progress
    const names = Object.keys(changes) as (keyof Progress)[]
    if (names.every(name => known[name] === changes[name])) return
    this.#progress = { ...known, ...changes }
    this.#options.onProgress?.(this.#progress)
  }

  #schedule(delay: number): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      void this.#runRound().then(() => this.#schedule(this.#unfinished ? 0 : this.#options.interval))
    }, delay)
    this.#timer.unref()
  }

  #runRound(): Promise<void> {
    this.#round ??= this.#ship()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#round = undefined
      })
    return this.#round
  }

  async #ship(): Promise<void> {
    this.#unfinished = false
    const segments = this.#list()
    const held = this.#options.ship && this.#lock.hold()
    this.#note({ held })
    if (!held) {
      this.#cursors.clear()
      return
    }
    if (this.#options.clock.now() < this.#notBefore && !this.#options.sink.available) return
    this.#complete = await this.#shipUntil(performance.now() + longestRound, segments)
    if (this.#stopped) return
    this.#unfinished = !this.#complete
    // Under load that does not let up no round completes: what is done goes all the same.
    await this.#deleteFinished(segments, false)
    if (this.#complete && this.#pause > 0) {
      this.#pause = 0
      this.#options.log.info({ backlog: this.#backlog() }, 'the ledger is shipped again')
    }
  }

  /** False: not everything. */
  async #shipUntil(end: number, segments: readonly Segment[]): Promise<boolean> {
    for (const segment of segments) {
      while (!this.#stopped && (await this.#shipSome(segment))) {
        if (performance.now() >= end) return false
      }
    }
    return !this.#stopped
  }

  #backlog() {
    return backlogOf(this.#progress, this.#listedBytes)
  }

  /** What is there now. */
  #list(): Segment[] {
    const at = monotonicMs()
    const segments = listSegments(this.#options.directory)
    const own: string[] = []
    let total = 0
    let others = 0
    let settled = 0
    for (const { name, size, instance } of segments) {
      total += size
      settled += Math.min(size, this.#cursors.get(name) ?? 0)
      if (instance === this.#options.instance) own.push(name)
      else others += size
    }
    this.#listedBytes = total
    this.#note({ settledBytes: settled, ...(settled === total ? { oldestAt: undefined } : {}) })
    this.#options.onListing({ others, own, at }, total)
    const names = new Set(segments.map(segment => segment.name))
    for (const name of this.#cursors.keys()) if (!names.has(name)) this.#cursors.delete(name)
    return segments
  }

  /** One batch of one segment; false when there is no more to ship of it now. */
  async #shipSome({ name, path, size }: Segment): Promise<boolean> {
    const { sink, batchSize, rest } = this.#options
    if (this.#stuck.has(name)) return false
    let from = this.#cursors.get(name)
    if (from === undefined) {
      from = await sink.cursor(name)
      this.#cursors.set(name, from)
      this.#note({ settledBytes: this.#progress.settledBytes + Math.min(from, size) })
    }
    if (from >= size) return false
    let lines: readonly JournalLine[]
    try {
      lines = readableLines(readSegment(path, from, batchSize))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      if (!(error instanceof NewerLine)) throw error
      this.#stuck.add(name)
      this.#options.log.error(
        { segment: name, offset: from },
        `${error.message} is newer than this program; it is kept`,
      )
      return false
    }
    if (lines.length === 0) return false
    this.#note({ oldestAt: firstEnd(lines) ?? this.#progress.oldestAt })
    try {
      await this.#shipLines(name, from, lines)
    } catch (error) {
      if (!(error instanceof CursorMoved)) throw error
      this.#cursors.set(name, error.at)
    }
    const pause = this.#hurry > 0 || this.#stopped ? 0 : (rest?.(this.#backlog().bytes) ?? 0)
    await (pause > 0 ? this.#sleep(pause) : new Promise(resolve => setImmediate(resolve)))
    return true
  }

  /**
   * All lines in one transaction. A record whose content the database refuses must not hold up the others for ever: the
   * batch is halved until that record is alone, and then set aside.
   */
  async #shipLines(segment: string, from: number, lines: readonly JournalLine[]): Promise<void> {
    const { sink, clock, log } = this.#options
    const to = lines.at(-1)?.end ?? from
    let shipped = { fresh: 0, damaged: 0 }
    try {
      shipped = await sink.ship({ segment, from, to, lines }, clock.epoch())
    } catch (error) {
      if (!refusedForContent(error)) throw error
      if (lines.length > 1) {
        const half = lines.length >> 1
        await this.#shipLines(segment, from, lines.slice(0, half))
        await this.#shipLines(segment, lines[half - 1]?.end ?? from, lines.slice(half))
        return
      }
      await this.#setAside(segment, lines[0], error)
      await sink.ship({ segment, from, to, lines: [] }, clock.epoch())
    }
    this.#cursors.set(segment, to)
    const { settledBytes, meanBytes, shipped: before, damaged } = this.#progress
    this.#note({
      settledBytes: settledBytes + to - from,
      meanBytes: 0.9 * meanBytes + (0.1 * (to - from)) / lines.length,
      shipped: before + shipped.fresh,
      damaged: damaged + shipped.damaged,
    })
    if (shipped.damaged > 0) {
      log.error({ segment, from, to, damaged: shipped.damaged }, 'damaged lines in the ledger journal were left out')
    }
  }

  async #setAside(segment: string, { json }: JournalLine = { json: undefined, end: 0 }, error: unknown): Promise<void> {
    const rejected = this.#progress.rejected + 1
    this.#note({ rejected })
    const line = parseLine(json)
    const content = line.kind === 'record' ? line.record : line.kind === 'body' ? line.body : undefined
    this.#options.log.error(
      { err: error, segment, id: content?.id },
      `the store refuses a record; it is kept in ${rejectedFile}`,
    )
    if (rejected > maxRejected) return
    const text = `${JSON.stringify(content)}\n`
    await appendFile(join(this.#options.directory, rejectedFile), text, { mode: 0o600 }).catch(() => undefined)
  }

  /**
   * Files that are shipped to their last complete line and that nobody writes any more: a later one of the same instance
   * exists, or nobody wrote for twice the time after which writers turn to another file.
   */
  async #deleteFinished(segments: readonly Segment[], ownAreFinished: boolean): Promise<void> {
    const { instance, clock, segmentAge, log } = this.#options
    if (!this.#lock.held) return
    const done: string[] = []
    segments.forEach((segment, index) => {
      const old = clock.epoch() - segment.modifiedAt > 2 * segmentAge
      const succeeded = segments[index + 1]?.instance === segment.instance
      const own = ownAreFinished && segment.instance === instance
      if (!old && !succeeded && !own) return
      const cursor = this.#cursors.get(segment.name)
      if (cursor === undefined || this.#stuck.has(segment.name)) return
      if (cursor < segment.size) {
        // This round looked for lines in it and found none: what is left is the line that was torn by a sudden end.
        if (!old || !this.#complete) return
        this.#note({ damaged: this.#progress.damaged + 1 })
        log.warn(
          { segment: segment.name, bytes: segment.size - cursor },
          'the torn last line of a journal file was left out',
        )
      }
      try {
        unlinkSync(segment.path)
        done.push(segment.name)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn({ err: error }, 'a shipped journal file stays')
      }
    })
    if (done.length > 0) await this.#forget(done)
  }

  async #forget(segments: readonly string[]): Promise<void> {
    for (const name of segments) this.#cursors.delete(name)
    try {
      await this.#options.sink.forget(segments)
    } catch {
      // Left behind, it is one small row.
    }
  }

  #failed(error: unknown): void {
    const { clock, log, sink } = this.#options
    const first = this.#pause === 0
    this.#pause = Math.min(maxBackoff, first ? firstBackoff : this.#pause * 2)
    this.#notBefore = clock.now() + this.#pause
    if (first || !(error instanceof StoreUnavailable)) {
      log.warn(
        { err: error, store: sink.description, backlog: this.#backlog(), retry_ms: this.#pause },
        'the ledger cannot be shipped; records wait on disk',
      )
    }
  }
}

/** Epoch ms at which the first record of some lines ended. */
function firstEnd(lines: readonly JournalLine[]): number | undefined {
  for (const { json } of lines) {
    const line = parseLine(json)
    if (line.kind === 'record') return line.record.endedAt
  }
  return undefined
}

/** False when the deadline came first. */
async function within(deadline: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>(resolve => {
    timer = setTimeout(() => resolve(false), Math.max(0, deadline - performance.now()))
  })
  const done = await Promise.race([work.then(() => true as const), late])
  clearTimeout(timer)
  return done
}

/**
 * Whether the database refused what a record says, rather than being unable to work now. PostgreSQL: classes 22 (data),
 * 23 (constraint), 54 (too long, too many). SQLite: TOOBIG, CONSTRAINT, MISMATCH, RANGE. Drivers: values of a wrong type.
 */
function refusedForContent(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (typeof code === 'string' && /^(22|23|54)[0-9A-Z]{3}$/.test(code)) return true
  return typeof errcode === 'number' && [18, 19, 20, 25].includes(errcode % 256)
}
