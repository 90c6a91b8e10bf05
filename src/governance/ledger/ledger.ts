import { join } from 'node:path'
import { type Clock, systemClock } from '../../platform/clock.ts'
import { newId } from '../../platform/ids.ts'
import type { Store } from '../../platform/store/store.ts'
import type { StoreOptions } from '../../platform/store/store-options.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { Bodies, type BodyOptions } from './bodies/bodies.ts'
import { type Appended, type Fsync, Journal, type OnFull } from './journal/journal.ts'
import type { Listing } from './journal/listing.ts'
import { encodeRecord } from './journal/record-line.ts'
import { type Backlog, backlogOf, type Progress } from './shipping/backlog.ts'
import { Shipper } from './shipping/shipper.ts'
import { storePlace } from './shipping/store-place.ts'
import { StoreSink } from './shipping/store-sink.ts'
import { ThreadShipper } from './shipping/thread-shipper.ts'
import { ownThread, storeThread } from './shipping/workplace.ts'
import type { SpendRecord } from './spend-record.ts'

export interface LedgerOptions {
  /** Of the journal; made when it is not there. Several processes of one machine may share it. */
  readonly directory: string
  readonly store: Store
  /**
   * How `store` was opened. Another thread then ships, through a connection of its own, and this one only appends: the
   * thread of a SQLite store, one of its own beside PostgreSQL. Left out, or for a store in memory: shipped by the thread
   * that appends.
   */
  readonly storeOptions?: StoreOptions | undefined
  readonly log: Logger
  readonly clock?: Clock
  /** Whether this process brings records into the store when no other one does. A worker beside a primary need not. Default true. */
  readonly ship?: boolean
  /** Milliseconds between two looks at the journal. Default 250. */
  readonly interval?: number
  /** Milliseconds after which a thread of its own begins to ship: others have more to do at a start. Default 0. */
  readonly startAfter?: number
  /** Records per transaction. Default 500. */
  readonly batchSize?: number
  /** Bytes the journal may take while the store is down. Default 2 GB. */
  readonly maxBytes?: number
  /** Bytes of one file. Default 16 MB, and of a small journal a sixteenth: a file goes when it is full and shipped. */
  readonly segmentBytes?: number
  /** Milliseconds one file is written to. Default 5 minutes; the same in all processes that share a directory. */
  readonly segmentAge?: number
  /** Default `refuse`. */
  readonly onFull?: OnFull
  /** Default `never`. */
  readonly fsync?: Fsync
}

export interface LedgerState extends Backlog {
  /** False while calls are to be refused with `ledger_unavailable`. */
  readonly accepting: boolean
  /** The disk takes nothing at the moment. */
  readonly failing: boolean
  /** Bytes of all journal files in the directory, shipped or not. */
  readonly directoryBytes: number
  /** Of this process, since it started. */
  readonly appended: number
  readonly shipped: number
  /** Given up because the journal had no room. */
  readonly dropped: number
  /** Lines of the journal that could not be read. */
  readonly damaged: number
  /** Records whose content the store refused; kept in `rejected.lines`. */
  readonly rejected: number
  /** Calls whose bodies were asked for and not kept: they came faster than they could be cleaned. */
  readonly droppedBodies: number
}

/**
 * The books of the gateway. Every call ends as exactly one record: appended to a local file before the last byte of its
 * response is sent, brought into the store in batches a moment later, and written there once, whatever crashes between.
 */
export interface Ledger {
  /** Ask before a call: false when its record would have no place and `onFull` says to refuse. Costs nothing. */
  readonly accepting: boolean
  /** Records taken since the start. Costs nothing. */
  readonly appended: number
  /**
   * Appends and then calls `done`, before this turn of the event loop ends: end the response there. `written` false: the
   * disk takes nothing and the record is in memory for now, or it was dropped.
   */
  append(record: SpendRecord, done?: Appended): void
  /**
   * Keeps the bodies of a call beside its record, cleaned (see `bodies.ts`), after the response has gone out. Call it only
   * where `store_prompts_in_spend_logs` is on. Parsed JSON or text; undefined: there is none. The answer may be a function that
   * makes it, called after the response has gone out.
   */
  keepBodies(
    record: Pick<SpendRecord, 'id' | 'startedAt'>,
    request: unknown,
    response: unknown,
    options?: BodyOptions,
  ): void
  /** Ships what there is; resolves with whether it all arrived within the time, in milliseconds. */
  flush(timeout: number): Promise<boolean>
  /** Flushes within the time and lets go of the directory; what could not be shipped is on disk for the next start. */
  close(timeout: number): Promise<void>
  backlog(): LedgerState
}

/** @throws Error when the directory cannot be made or written to. */
export function openLedger(options: LedgerOptions): Ledger {
  const { log, clock = systemClock, segmentAge = 300_000, maxBytes = 2_000_000_000 } = options
  const instance = newId()
  const directory = join(options.directory)
  const journal = new Journal({
    directory,
    instance,
    maxBytes,
    segmentBytes: options.segmentBytes ?? Math.min(16_000_000, maxBytes / 16),
    segmentAge,
    onFull: options.onFull ?? 'refuse',
    fsync: options.fsync ?? 'never',
    clock,
    log,
  })
  const shipper = shipperFor(options, journal, { directory, instance, clock, segmentAge, maxBytes })
  const bodies = new Bodies(json => journal.append(json))
  shipper.start()
  let closing: Promise<void> | undefined
  return {
    get accepting() {
      return journal.accepting
    },
    get appended() {
      return journal.appended
    },
    append: (record, done) => journal.append(encodeRecord(record), done),
    keepBodies: (record, request, response, options) => bodies.keep(record, request, response, options),
    flush(timeout) {
      journal.flush()
      return shipper.flush(timeout)
    },
    close(timeout) {
      bodies.flush()
      closing ??= close(journal, shipper, timeout)
      return closing
    },
    backlog: () => ({
      ...countsOf(shipper.progress),
      ...backlogOf(shipper.progress, journal.directoryBytes),
      accepting: journal.accepting,
      failing: journal.failing,
      directoryBytes: journal.directoryBytes,
      appended: journal.appended,
      dropped: journal.dropped,
      droppedBodies: bodies.dropped,
    }),
  }
}

const countsOf = ({ shipped, damaged, rejected }: Progress) => ({ shipped, damaged, rejected })

interface ShippingContext {
  readonly directory: string
  readonly instance: string
  readonly clock: Clock
  readonly segmentAge: number
  readonly maxBytes: number
}

function shipperFor(
  { store, storeOptions, log, ship = true, interval = 250, batchSize = 500, startAfter = 0 }: LedgerOptions,
  journal: Journal,
  { directory, instance, clock, segmentAge, maxBytes }: ShippingContext,
): Shipper | ThreadShipper {
  const onListing = (listing: Listing): void => journal.observe(listing)
  const place = storeOptions === undefined ? undefined : storePlace(storeOptions)
  if (place !== undefined && ship) {
    const settings = { directory, instance, interval, batchSize, segmentAge, maxBytes, store: place }
    const open = store.invite === undefined ? ownThread(settings) : storeThread(store.invite, settings)
    return new ThreadShipper({ open, log, onListing, startAfter })
  }
  const sink = new StoreSink(store)
  return new Shipper({ directory, instance, sink, clock, log, ship, interval, batchSize, segmentAge, onListing })
}

async function close(journal: Journal, shipper: Shipper | ThreadShipper, timeout: number): Promise<void> {
  const deadline = performance.now() + timeout
  journal.flush()
  await shipper.flush(timeout)
  journal.close()
  await shipper.stop(Math.max(100, deadline - performance.now()))
}
