import { resolve } from 'node:path'
import type { StoreOptions } from '../../../platform/store/store-options.ts'
import type { StorePlace } from './shipping-messages.ts'

/** Milliseconds the thread waits for another writer before it steps back; nobody waits for it. */
const busyTimeoutMs = 250

/** How a thread opens the store once more; undefined for one in memory, which is the one connection it has. */
export function storePlace(options: StoreOptions): StorePlace | undefined {
  switch (options.kind) {
    case 'memory':
      return undefined
    case 'sqlite':
      return { kind: 'sqlite', path: resolve(options.path), busyTimeoutMs }
    case 'postgres': {
      const { connectTimeoutMs, statementTimeoutMs, lockTimeoutMs, socketTimeoutMs } = options
      return {
        kind: 'postgres',
        url: options.url.reveal(),
        timeouts: { connectTimeoutMs, statementTimeoutMs, lockTimeoutMs, socketTimeoutMs },
      }
    }
  }
}
