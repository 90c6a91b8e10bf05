import { closeSync, fdatasync, fdatasyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../../platform/clock.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import { sealedBound, sealInto } from './line.ts'
import { type Listing, monotonicMs } from './listing.ts'
import { segmentName } from './segments.ts'

/** What happens to calls while the journal cannot take their records. */
export type OnFull = 'refuse' | 'drop'

/**
 * When the journal is forced to the disk. The page cache survives the end of the process, `kill -9` included; only a
 * crash of the machine needs more. `interval`: every second, at most that second is lost. `always`: before a response ends.
 */
export type Fsync = 'never' | 'interval' | 'always'

export interface JournalOptions {
  readonly directory: string
  /** Name of this life of this process; sorts by time. */
  readonly instance: string
  readonly maxBytes: number
  readonly segmentBytes: number
  /** Milliseconds; after it a segment is never written to again, so that a reader may delete it. */
  readonly segmentAge: number
  readonly onFull: OnFull
  readonly fsync: Fsync
  readonly clock: Clock
  readonly log: Logger
}

/** Told when the record is on disk (true), or is not: kept in memory for now, or dropped (false). */
export type Appended = (written: boolean) => void

/** Bytes that wait for the end of the turn; more are written at once. */
const maxPending = 262_144
/** Bytes kept in memory while the disk takes nothing: the calls that were under way when it stopped. */
const maxHeld = 16_777_216
const retryAfter = 1000
const fsyncEvery = 1000

/**
 * The writing end: append-only files of lines. All records of one turn of the event loop go out in one `write`, then
 * their callers are told. A record costs about 3 µs at load, serializing included, and a response waits for the end of
 * its turn, not for a disk.
 */
export class Journal {
  readonly #options: JournalOptions
  /** Lines as they will be on disk: nothing of a record outlives its turn as an object. */
  readonly #pending = Buffer.allocUnsafeSlow(maxPending)
  #pendingBytes = 0
  #waiting: Appended[] = []
  #pendingCount = 0
  /** Settled in this turn; told in its `setImmediate`, never from inside `append`. */
  #told: { readonly done: readonly Appended[]; readonly written: boolean }[] = []
  #scheduled = false

  #file: number | undefined
  #number = 0
  #size = 0
  #entry: { bytes: number; readonly openedAt: number } | undefined
  #openedAt = 0
  #dirty = false

  /** Files of this instance that are there: whoever ships them deletes them. */
  readonly #own = new Map<string, { bytes: number; readonly openedAt: number }>()
  #ownBytes = 0
  /** Bytes of the files of other instances, as last listed. */
  #othersBytes = 0
  #failing = false
  #held: { readonly bytes: Buffer; readonly count: number }[] = []
  #heldBytes = 0
  #retryTimer: NodeJS.Timeout | undefined
  #fsyncTimer: NodeJS.Timeout | undefined
  #closed = false

  #appended = 0
  #dropped = 0
  #droppedReported = 0

  /** @throws Error when the directory cannot be made or written to. */
  constructor(options: JournalOptions) {
    this.#options = options
    mkdirSync(options.directory, { recursive: true, mode: 0o700 })
    // An empty first segment is the proof that the directory takes files; found out now, not at the first call.
    this.#open()
    if (options.fsync === 'interval') {
      this.#fsyncTimer = setInterval(() => this.#fsync(), fsyncEvery)
      this.#fsyncTimer.unref()
    }
  }

  /** False while calls are to be refused: their records would have no place. */
  get accepting(): boolean {
    return this.#options.onFull === 'drop' || (!this.#failing && this.directoryBytes < this.#options.maxBytes)
  }

  get failing(): boolean {
    return this.#failing
  }

  /** Records taken, and of those the ones that were given up. */
  get appended(): number {
    return this.#appended
  }

  get dropped(): number {
    return this.#dropped
  }

  get directoryBytes(): number {
    return this.#ownBytes + this.#othersBytes
  }

  get #currentName(): string | undefined {
    return this.#file === undefined ? undefined : segmentName(this.#options.instance, this.#number)
  }

  append(json: string, done?: Appended): void {
    if (this.#closed || !this.#hasRoom()) {
      this.#drop(1)
      if (done !== undefined) this.#tell([done], false)
      return
    }
    this.#appended++
    const bound = sealedBound(json)
    if (this.#pendingBytes + bound > maxPending) this.#write()
    if (done !== undefined) this.#waiting.push(done)
    this.#pendingCount++
    if (bound > maxPending) {
      const line = Buffer.allocUnsafeSlow(bound)
      this.#writeLines(line.subarray(0, sealInto(line, 0, json)))
    } else this.#pendingBytes = sealInto(this.#pending, this.#pendingBytes, json)
    this.#schedule()
  }

  /** Writes what waits, now. */
  flush(): void {
    this.#write()
    this.#tellAll()
  }

  /** What a look at the directory found. Its own files a writer knows better, but for those that are gone. */
  observe({ others, own, at }: Listing): void {
    this.#othersBytes = others
    const present = new Set(own)
    for (const [name, { bytes, openedAt }] of this.#own) {
      if (openedAt > at || present.has(name)) continue
      this.#own.delete(name)
      this.#ownBytes -= bytes
      if (name !== this.#currentName) continue
      this.#options.log.error(
        { segment: name },
        'a journal file that was being written is gone; its records may be lost',
      )
      this.rotate()
    }
  }

  /** Ends the current file; the next record opens another. */
  rotate(): void {
    if (this.#file === undefined) return
    if (this.#options.fsync !== 'never') this.#forceToDisk(this.#file)
    try {
      closeSync(this.#file)
    } catch {
      // A write that failed was reported when it failed.
    }
    this.#file = undefined
    this.#number++
  }

  close(): void {
    if (this.#closed) return
    this.#retry()
    this.flush()
    this.#closed = true
    clearTimeout(this.#retryTimer)
    clearInterval(this.#fsyncTimer)
    this.rotate()
    let lost = 0
    for (const chunk of this.#held) lost += chunk.count
    if (lost > 0) this.#drop(lost)
  }

  /**
   * Full means: refused (`refuse`), with one segment's worth of room beyond for the calls that were let in before; or
   * dropped (`drop`).
   */
  #hasRoom(): boolean {
    const { maxBytes, segmentBytes, onFull } = this.#options
    const limit = onFull === 'refuse' ? maxBytes + segmentBytes : maxBytes
    return this.directoryBytes + this.#pendingBytes < limit
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  #write(): void {
    if (this.#pendingCount === 0) return
    this.#writeLines(this.#pending.subarray(0, this.#pendingBytes))
  }

  /** Everything that is pending, which may be used again when it returns. */
  #writeLines(lines: Buffer): void {
    const count = this.#pendingCount
    const done = this.#waiting
    this.#pendingBytes = 0
    this.#pendingCount = 0
    const written = !this.#failing && this.#writeBytes(lines)
    if (!written) this.#hold(lines, count)
    if (done.length === 0) return
    this.#told.push({ done, written })
    this.#waiting = []
  }

  /** False when it could not be written whole; nothing of it is then in the file, or only ahead of its end for good. */
  #writeBytes(bytes: Buffer): boolean {
    try {
      const file = this.#open()
      let at = 0
      while (at < bytes.length) at += writeSync(file, bytes, at)
      if (this.#options.fsync === 'always') fdatasyncSync(file)
    } catch (error) {
      this.#failed(error)
      return false
    }
    this.#size += bytes.length
    this.#ownBytes += bytes.length
    if (this.#entry !== undefined) this.#entry.bytes += bytes.length
    this.#dirty = true
    return true
  }

  #open(): number {
    const { directory, instance, segmentBytes, segmentAge, clock } = this.#options
    const now = clock.epoch()
    if (this.#file !== undefined) {
      const age = now - this.#openedAt
      // A clock that stepped back must not keep a file open for good.
      if (this.#size >= segmentBytes || age > segmentAge || age < -segmentAge) this.rotate()
    }
    if (this.#file === undefined) {
      const name = segmentName(instance, this.#number)
      this.#file = openSync(join(directory, name), 'ax', 0o600)
      this.#entry = { bytes: 0, openedAt: monotonicMs() }
      this.#own.set(name, this.#entry)
      this.#size = 0
      this.#openedAt = now
    }
    return this.#file
  }

  #failed(error: unknown): void {
    this.#options.log.error({ err: error }, 'the ledger journal cannot be written; records are kept in memory')
    this.#failing = true
    if (this.#file !== undefined) {
      try {
        // A part of the lines may be there. They come again, whole, in the next file.
        ftruncateSync(this.#file, this.#size)
      } catch {
        // Then the reader meets a torn last line, and knows lines that come twice by their id.
      }
      this.rotate()
    }
    this.#scheduleRetry()
  }

  #hold(lines: Buffer, count: number): void {
    if (this.#heldBytes + lines.length > maxHeld) {
      this.#drop(count)
      return
    }
    this.#held.push({ bytes: Buffer.from(lines), count })
    this.#heldBytes += lines.length
  }

  #scheduleRetry(): void {
    clearTimeout(this.#retryTimer)
    this.#retryTimer = setTimeout(() => this.#retry(), retryAfter)
    this.#retryTimer.unref()
  }

  #retry(): void {
    if (!this.#failing) return
    try {
      mkdirSync(this.#options.directory, { recursive: true, mode: 0o700 })
      this.#open()
    } catch {
      this.#scheduleRetry()
      return
    }
    for (let chunk = this.#held[0]; chunk !== undefined; chunk = this.#held[0]) {
      if (!this.#writeBytes(chunk.bytes)) return
      this.#held.shift()
      this.#heldBytes -= chunk.bytes.length
    }
    this.#failing = false
    this.#options.log.info('the ledger journal is written again')
  }

  #drop(count: number): void {
    this.#dropped += count
    if (this.#droppedReported > 0) return
    this.#droppedReported = this.#dropped
    // One line a second, whatever the rate.
    const timer = setTimeout(() => {
      this.#options.log.error({ dropped: this.#dropped }, 'the ledger journal has no room; spend records are dropped')
      this.#droppedReported = 0
    }, 1000)
    timer.unref()
  }

  #tell(done: readonly Appended[], written: boolean): void {
    this.#told.push({ done, written })
    this.#schedule()
  }

  #tellAll(): void {
    if (this.#told.length === 0) return
    const told = this.#told
    this.#told = []
    for (const { done, written } of told) {
      for (const callback of done) {
        try {
          callback(written)
        } catch (error) {
          // One response that cannot be ended must not keep the others open.
          this.#options.log.error({ err: error }, 'a call could not be ended after its record was written')
        }
      }
    }
  }

  #fsync(): void {
    if (!this.#dirty || this.#file === undefined) return
    this.#dirty = false
    fdatasync(this.#file, error => {
      // The file may have been rotated, and forced, in between.
      if (error !== null && error.code !== 'EBADF')
        this.#options.log.warn({ err: error }, 'fsync of the journal failed')
    })
  }

  #forceToDisk(file: number): void {
    try {
      fdatasyncSync(file)
    } catch (error) {
      this.#options.log.warn({ err: error }, 'fsync of the journal failed')
    }
  }
}
