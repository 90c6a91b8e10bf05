import { unlinkSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../platform/clock.ts'
import { type Store, StoreUnavailable } from '../../../platform/store/store.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import { DirectoryLock } from '../journal/directory-lock.ts'
import type { Journal } from '../journal/journal.ts'
import { readSegment } from '../journal/read-segment.ts'
import { listSegments, type Segment } from '../journal/segments.ts'
import { NewerLine, type ParsedLine, parseLines } from './parse-lines.ts'
import { CursorMoved, cursorName, shipBatch } from './ship-batch.ts'

export interface ShipperOptions {
  readonly directory: string
  readonly instance: string
  readonly journal: Journal
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** False: another process of those that share the directory ships. */
  readonly ship: boolean
  /** Milliseconds between two looks at the journal. */
  readonly interval: number
  /** Records per transaction. */
  readonly batchSize: number
  /** Milliseconds after which no writer touches a segment any more. */
  readonly segmentAge: number
}

/** What is on disk and not yet in the store. */
export interface Backlog {
  /** From the bytes and the mean size of a record. */
  readonly records: number
  readonly bytes: number
  /** Epoch ms at which the oldest of them ended; undefined without a backlog, or while another process ships. */
  readonly oldestAt: number | undefined
}

const firstBackoff = 500
const maxBackoff = 30_000
/** Between two tries of a flush. */
const retryPause = 50
/** A guess until the first batch. */
const typicalRecordBytes = 500
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
  #backoff = 0
  #notBefore = 0
  /** Of the bytes in the directory, those that the store has. */
  #settledBytes = 0
  #oldestAt: number | undefined
  #meanBytes = typicalRecordBytes
  #shipped = 0
  #damaged = 0
  #rejected = 0

  constructor(options: ShipperOptions) {
    this.#options = options
    this.#lock = new DirectoryLock(options.directory, 'shipper.lock', options.instance)
  }

  /** Empty while another process ships. */
  get backlog(): Backlog {
    const bytes = this.#lock.held ? Math.max(0, this.#options.journal.directoryBytes - this.#settledBytes) : 0
    return {
      records: Math.ceil(bytes / this.#meanBytes),
      bytes,
      oldestAt: bytes > 0 ? this.#oldestAt : undefined,
    }
  }

  /** Records this process has brought into the store; lines that were damaged; records the store refused. */
  get counts(): { readonly shipped: number; readonly damaged: number; readonly rejected: number } {
    return { shipped: this.#shipped, damaged: this.#damaged, rejected: this.#rejected }
  }

  start(): void {
    this.#schedule(0)
  }

  /**
   * Ships what there is until nothing is left, this process is not the one that ships, or the time is up.
   * @returns whether nothing is left
   */
  async flush(timeout: number): Promise<boolean> {
    this.#options.journal.flush()
    const deadline = performance.now() + timeout
    // A round that runs already may have listed the files before the flush.
    if (this.#round !== undefined && !(await within(deadline, this.#round))) return false
    for (;;) {
      this.#complete = false
      this.#notBefore = 0
      if (!(await within(deadline, this.#runRound()))) return false
      if (this.#complete || !this.#lock.held) return this.#complete
      if (!(await within(deadline, new Promise(resolve => setTimeout(resolve, retryPause).unref())))) return false
    }
  }

  /** Call `flush` and close the journal before; what is left waits on disk for the next process. */
  async stop(timeout: number): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    const deadline = performance.now() + timeout
    if (this.#round !== undefined) await within(deadline, this.#round)
    // The last files of this instance are finished now, and with everything shipped they are gone.
    await within(deadline, this.#deleteFinished(this.#list(), true))
    this.#lock.release()
  }

  #schedule(delay: number): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      void this.#runRound().then(() => this.#schedule(this.#options.interval))
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
    const segments = this.#list()
    if (!this.#options.ship || !this.#lock.hold()) {
      this.#cursors.clear()
      return
    }
    if (this.#options.clock.now() < this.#notBefore && !this.#options.store.available) return
    for (const segment of segments) {
      while (!this.#stopped && (await this.#shipSome(segment)));
    }
    if (this.#stopped) return
    this.#complete = true
    await this.#deleteFinished(segments, false)
    if (this.#backoff > 0) {
      this.#backoff = 0
      this.#options.log.info({ backlog: this.backlog }, 'the ledger is shipped again')
    }
  }

  /** What is there now. */
  #list(): Segment[] {
    const segments = listSegments(this.#options.directory)
    let total = 0
    let settled = 0
    for (const { name, size } of segments) {
      total += size
      settled += Math.min(size, this.#cursors.get(name) ?? 0)
    }
    this.#options.journal.observe(total)
    this.#settledBytes = settled
    if (settled === total) this.#oldestAt = undefined
    const names = new Set(segments.map(segment => segment.name))
    for (const name of this.#cursors.keys()) if (!names.has(name)) this.#cursors.delete(name)
    const current = this.#options.journal.currentName
    if (current !== undefined && !names.has(current)) {
      this.#options.log.error(
        { segment: current },
        'a journal file that was being written is gone; its records may be lost',
      )
      this.#options.journal.rotate()
    }
    return segments
  }

  /** One batch of one segment; false when there is no more to ship of it now. */
  async #shipSome({ name, path, size }: Segment): Promise<boolean> {
    const { store, batchSize } = this.#options
    if (this.#stuck.has(name)) return false
    let from = this.#cursors.get(name)
    if (from === undefined) {
      from = await this.#cursorInStore(name)
      this.#cursors.set(name, from)
      this.#settledBytes += Math.min(from, size)
    }
    if (from >= size) return false
    let lines: ParsedLine[]
    try {
      lines = await parseLines(await readSegment(path, from, batchSize))
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
    this.#oldestAt = lines.find(line => line.record !== undefined)?.record?.endedAt ?? this.#oldestAt
    try {
      await this.#shipLines(name, from, lines)
    } catch (error) {
      if (!(error instanceof CursorMoved)) throw error
      this.#cursors.set(name, error.at)
    }
    if (store.available) await new Promise(setImmediate)
    return true
  }

  /**
   * All lines in one transaction. A record whose content the database refuses must not hold up the others for ever: the
   * batch is halved until that record is alone, and then set aside.
   */
  async #shipLines(segment: string, from: number, lines: readonly ParsedLine[]): Promise<void> {
    const to = lines.at(-1)?.end ?? from
    const records = lines.flatMap(line => line.record ?? [])
    const bodies = lines.flatMap(line => line.body ?? [])
    try {
      const batch = { segment, from, to, records, bodies }
      this.#shipped += await shipBatch(this.#options.store, batch, this.#options.clock.epoch())
    } catch (error) {
      if (!refusedForContent(error)) throw error
      if (lines.length > 1) {
        const half = lines.length >> 1
        await this.#shipLines(segment, from, lines.slice(0, half))
        await this.#shipLines(segment, lines[half - 1]?.end ?? from, lines.slice(half))
        return
      }
      await this.#setAside(segment, lines[0], error)
      await shipBatch(this.#options.store, { segment, from, to, records: [], bodies: [] }, this.#options.clock.epoch())
    }
    this.#cursors.set(segment, to)
    this.#settledBytes += to - from
    if (records.length > 0) this.#meanBytes = 0.9 * this.#meanBytes + (0.1 * (to - from)) / records.length
    const damaged = lines.filter(line => line.record === undefined && line.body === undefined).length
    if (damaged > 0) {
      this.#damaged += damaged
      this.#options.log.error({ segment, from, to, damaged }, 'damaged lines in the ledger journal were left out')
    }
  }

  async #setAside(segment: string, line: ParsedLine | undefined, error: unknown): Promise<void> {
    this.#rejected++
    const id = line?.record?.id ?? line?.body?.id
    this.#options.log.error({ err: error, segment, id }, `the store refuses a record; it is kept in ${rejectedFile}`)
    if (this.#rejected > maxRejected) return
    const text = `${JSON.stringify(line?.record ?? line?.body)}\n`
    await appendFile(join(this.#options.directory, rejectedFile), text, { mode: 0o600 }).catch(() => undefined)
  }

  async #cursorInStore(segment: string): Promise<number> {
    const row = await this.#options.store.db
      .selectFrom('sink_cursors')
      .select('seq')
      .where('sink', '=', cursorName(segment))
      .executeTakeFirst()
    return row?.seq ?? 0
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
        this.#damaged++
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
    await this.#options.store.db
      .deleteFrom('sink_cursors')
      .where('sink', 'in', segments.map(cursorName))
      .execute()
      // Left behind, it is one small row.
      .catch(() => undefined)
  }

  #failed(error: unknown): void {
    const { clock, log, store } = this.#options
    const first = this.#backoff === 0
    this.#backoff = Math.min(maxBackoff, this.#backoff === 0 ? firstBackoff : this.#backoff * 2)
    this.#notBefore = clock.now() + this.#backoff
    if (first || !(error instanceof StoreUnavailable)) {
      log.warn(
        { err: error, store: store.description, backlog: this.backlog, retry_ms: this.#backoff },
        'the ledger cannot be shipped; records wait on disk',
      )
    }
  }
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
