/**
 * Entry of the worker thread that ships the journal, so that the thread that serves calls only ever appends to it. With
 * SQLite it loads nothing but `node:sqlite`; PostgreSQL's driver and queries are loaded when that is the store.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../../platform/clock.ts'
import { Pace } from './pace.ts'
import { Shipper } from './shipper.ts'
import type { LogLevel, Order, Report, StorePlace, ThreadSettings } from './shipping-messages.ts'
import type { Sink } from './sink.ts'

interface OpenSink {
  readonly sink: Sink
  close(): Promise<void> | void
}

const settings = workerData as ThreadSettings
const report = (message: Report): void => parentPort?.postMessage(message)

async function openSink(store: StorePlace): Promise<OpenSink> {
  if (store.kind === 'sqlite') {
    const { SqliteSink } = await import('./sqlite-sink.ts')
    const sink = new SqliteSink(store.path, store.busyTimeoutMs)
    return { sink, close: () => sink.close() }
  }
  const { openPostgresSink } = await import('./postgres-sink.ts')
  return openPostgresSink(store)
}

/** Lines are written by the log of the process; errors travel as themselves (structured clone keeps name and message). */
const say =
  (level: LogLevel) =>
  (fields: object, message = ''): void =>
    report({ what: 'log', level, fields, message })

/** Milliseconds of processor time of this thread; Node 22 has only the clock. */
function workedMs(): number {
  if (typeof process.threadCpuUsage !== 'function') return performance.now()
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

async function run(): Promise<void> {
  const { sink, close } = await openSink(settings.store)
  const pace = new Pace()
  let worked = workedMs()
  let seen = ''
  const shipper = new Shipper({
    directory: settings.directory,
    instance: settings.instance,
    interval: settings.interval,
    batchSize: settings.batchSize,
    segmentAge: settings.segmentAge,
    ship: true,
    sink,
    clock: systemClock,
    log: { info: say('info'), warn: say('warn'), error: say('error') },
    onListing(listing, totalBytes) {
      pace.observe(totalBytes)
      worked = workedMs()
      // The serving thread is woken for news alone.
      const text = `${listing.others} ${listing.own.join(' ')}`
      if (text !== seen) report({ what: 'listing', listing })
      seen = text
    },
    onProgress: progress => report({ what: 'progress', progress }),
    rest(backlog) {
      const now = workedMs()
      const milliseconds = pace.rest(now - worked, backlog)
      worked = now
      return milliseconds
    },
  })
  parentPort?.on('message', async (order: Order) => {
    if (order.do === 'flush') {
      report({ what: 'flushed', id: order.id, complete: await shipper.flush(order.timeout) })
      return
    }
    await shipper.stop(order.timeout)
    await close()
    report({ what: 'stopped' })
    parentPort?.close()
  })
  shipper.start()
}

await run()
