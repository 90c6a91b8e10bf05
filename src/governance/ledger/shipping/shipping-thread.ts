/**
 * Entry of the worker thread that ships the journal into PostgreSQL, so that the thread that serves calls only ever appends
 * to it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { openPostgresSink } from './postgres-sink.ts'
import type { ThreadSettings } from './shipping-messages.ts'
import { work } from './shipping-work.ts'

const settings = workerData as ThreadSettings
if (parentPort !== null && settings.store.kind === 'postgres') {
  work(settings, parentPort, await openPostgresSink(settings.store))
}
