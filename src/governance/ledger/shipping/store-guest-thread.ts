/** Ships the journal in the thread that has the SQLite database; see `platform/store/sqlite/guests.ts`. */
import type { Guest } from '../../../platform/store/sqlite/guests.ts'
import type { ThreadSettings } from './shipping-messages.ts'
import { work } from './shipping-work.ts'
import type { Sink } from './sink.ts'
import { SqliteSink } from './sqlite-sink.ts'

export const run: Guest['run'] = (settings, port, whenFree) => {
  const { store } = settings as ThreadSettings
  if (store.kind !== 'sqlite') throw new Error('only a SQLite database has a thread')
  const sink = new SqliteSink(store.path, store.busyTimeoutMs)
  work(settings as ThreadSettings, port, { sink: betweenTransactions(sink, whenFree), close: () => sink.close() })
}

/** A transaction of the store has the lock for as long as this thread waits for it: never wait for it. */
function betweenTransactions(sink: SqliteSink, whenFree: () => Promise<void>): Sink {
  return {
    description: sink.description,
    get available() {
      return sink.available
    },
    cursor: segment => sink.cursor(segment),
    async ship(stretch, now) {
      await whenFree()
      return sink.ship(stretch, now)
    },
    async forget(segments) {
      await whenFree()
      sink.forget(segments)
    },
  }
}
