import { type MessagePort, Worker } from 'node:worker_threads'
import type { Store } from '../../../platform/store/store.ts'
import type { Order, Report, ThreadSettings } from './shipping-messages.ts'

/** A thread in which shipping goes on. */
export interface Workplace {
  send(order: Order): void
  /** Keeps the process alive until it has ended. */
  hold(): void
  /** Ends it as it is. */
  abandon(): void
}

export interface Foreman {
  reported(report: Report): void
  failed(error: unknown): void
  /** Once, and never before `OpenWorkplace` has returned. */
  ended(): void
}

/** @throws StoreUnavailable */
export type OpenWorkplace = (foreman: Foreman) => Workplace

/** A thread needs no more: a batch at a time, and what V8 may keep of garbage before it collects. */
const resourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 3 }

/** The sources run as they are, the release is compiled: a thread's file has the extension of this one. */
const fileOf = (name: string): URL =>
  new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** For PostgreSQL: a thread of its own, with a connection of its own. */
export function ownThread(settings: ThreadSettings): OpenWorkplace {
  return foreman => {
    const worker = new Worker(fileOf('shipping-thread'), {
      workerData: settings,
      resourceLimits,
      // Not the flags of this process.
      execArgv: [],
      name: 'ledger shipper',
    })
    worker.on('message', hears(foreman))
    worker.on('error', error => foreman.failed(error))
    worker.once('exit', () => foreman.ended())
    // Books that can wait on disk keep no process alive.
    worker.unref()
    return {
      send: order => worker.postMessage(order),
      hold: () => worker.ref(),
      abandon: () => void worker.terminate(),
    }
  }
}

/** For SQLite in a file: the thread that the store has, in which nobody else takes the lock. */
export function storeThread(invite: NonNullable<Store['invite']>, settings: ThreadSettings): OpenWorkplace {
  return foreman => {
    const port: MessagePort = invite(fileOf('store-guest-thread'), settings)
    port.on('message', hears(foreman))
    port.once('close', () => foreman.ended())
    port.unref()
    return {
      send: order => port.postMessage(order),
      hold: () => port.ref(),
      abandon: () => port.close(),
    }
  }
}

const hears =
  (foreman: Foreman) =>
  (message: Report | Error): void =>
    message instanceof Error ? foreman.failed(message) : foreman.reported(message)
