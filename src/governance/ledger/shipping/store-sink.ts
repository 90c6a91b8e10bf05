import type { Store } from '../../../platform/store/store.ts'
import type { LedgerBodyRow } from '../../../platform/store/tables.ts'
import type { SpendRecord } from '../spend-record.ts'
import { parseLine } from './parse-lines.ts'
import { shipBatch } from './ship-batch.ts'
import { cursorName, type Shipped, type Sink, type Stretch } from './sink.ts'

/** Milliseconds of work between two breaths of the event loop. */
const slice = 2

/** Ships through the queries of the store: PostgreSQL, and SQLite in memory, which is one connection of this process. */
export class StoreSink implements Sink {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get description(): string {
    return this.#store.description
  }

  get available(): boolean {
    return this.#store.available
  }

  async cursor(segment: string): Promise<number> {
    const row = await this.#store.db
      .selectFrom('sink_cursors')
      .select('seq')
      .where('sink', '=', cursorName(segment))
      .executeTakeFirst()
    return row?.seq ?? 0
  }

  /** Parses in slices: 500 lines are about 2 ms, and the loop may have calls to serve. */
  async ship({ segment, from, to, lines }: Stretch, now: number): Promise<Shipped> {
    const records: SpendRecord[] = []
    const bodies: LedgerBodyRow[] = []
    let damaged = 0
    let began = performance.now()
    for (const { json } of lines) {
      if ((records.length & 15) === 15 && performance.now() - began > slice) {
        await new Promise(setImmediate)
        began = performance.now()
      }
      const line = parseLine(json)
      if (line.kind === 'record') records.push(line.record)
      else if (line.kind === 'body') bodies.push(line.body)
      else damaged++
    }
    const fresh = await shipBatch(this.#store, { segment, from, to, records, bodies }, now)
    return { fresh, damaged }
  }

  async forget(segments: readonly string[]): Promise<void> {
    await this.#store.db.deleteFrom('sink_cursors').where('sink', 'in', segments.map(cursorName)).execute()
  }
}
