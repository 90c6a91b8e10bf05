import type { MessagePort } from 'node:worker_threads'
import { systemClock } from '../../../platform/clock.ts'
import { Pace } from './pace.ts'
import { Shipper } from './shipper.ts'
import type { LogLevel, Order, Report, ThreadSettings } from './shipping-messages.ts'
import type { Sink } from './sink.ts'

export interface OpenSink {
  readonly sink: Sink
  close(): Promise<void> | void
}

/** Lines are written by the log of the process; errors travel as themselves (structured clone keeps name and message). */
const say =
  (report: (message: Report) => void, level: LogLevel) =>
  (fields: object, message = ''): void =>
    report({ what: 'log', level, fields, message })

/** Milliseconds of processor time of this thread; Node 22 has only the clock. */
function workedMs(): number {
  if (typeof process.threadCpuUsage !== 'function') return performance.now()
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Ships until it is told to stop, or its port closes. */
export function work(settings: ThreadSettings, port: MessagePort, { sink, close }: OpenSink): void {
  const report = (message: Report): void => port.postMessage(message)
  const pace = new Pace(settings.maxBytes)
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
    log: { info: say(report, 'info'), warn: say(report, 'warn'), error: say(report, 'error') },
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
  const stop = async (timeout: number): Promise<void> => {
    await shipper.stop(timeout)
    await close()
  }
  let stopped: Promise<void> | undefined
  const obey = async (order: Order): Promise<void> => {
    if (order.do === 'flush') {
      report({ what: 'flushed', id: order.id, complete: await shipper.flush(order.timeout) })
      return
    }
    stopped ??= stop(order.timeout)
    await stopped
    report({ what: 'stopped' })
    port.close()
  }
  port.on('message', (order: Order) => {
    obey(order).catch(error => {
      port.postMessage(error)
      port.close()
    })
  })
  port.on('close', () => {
    stopped ??= stop(0)
    stopped.catch(() => undefined)
  })
  shipper.start()
}
