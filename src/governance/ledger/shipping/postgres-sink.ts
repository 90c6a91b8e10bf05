import { Secret } from '../../../platform/security/secret.ts'
import { openStore } from '../../../platform/store/open-store.ts'
import type { StorePlace } from './shipping-messages.ts'
import type { Sink } from './sink.ts'
import { StoreSink } from './store-sink.ts'

/** A pool of one: batches are shipped one after another. */
export async function openPostgresSink({
  url,
  timeouts,
}: Extract<StorePlace, { kind: 'postgres' }>): Promise<{ sink: Sink; close(): Promise<void> }> {
  const store = await openStore({
    kind: 'postgres',
    url: new Secret(url),
    poolSize: 1,
    unreachableAtStart: 'carry_on',
    ...timeouts,
  })
  return { sink: new StoreSink(store), close: () => store.close() }
}
