import type { Transaction } from 'kysely'
import type { Store } from '../../../platform/store/store.ts'
import type { LedgerBodyRow, Tables } from '../../../platform/store/tables.ts'
import { inTransaction } from '../../../platform/store/transaction.ts'
import type { SpendRecord } from '../spend-record.ts'
import { DailyErrors, dailySums } from './daily-sums.ts'
import { dailyTotals } from './daily-totals.ts'
import { ledgerRow } from './ledger-row.ts'
import { Profiles } from './profiles.ts'
import { CursorMoved, cursorName } from './sink.ts'
import { countingSince, type SpendSum, type SpendTable, spendSums, spendTables } from './spend-sums.ts'
import {
  addDailyErrors,
  addDailySpend,
  addDailyTotals,
  createEndUsers,
  incrementStatement,
  insertBodies,
  insertLedger,
  lockSpendPeriods,
  type SpendIncrement,
} from './statements.ts'

/** A stretch of one segment. */
export interface Batch {
  readonly segment: string
  readonly from: number
  readonly to: number
  readonly records: readonly SpendRecord[]
  readonly bodies: readonly LedgerBodyRow[]
}

const incrementOf = new Map(spendTables.map(({ table, key }) => [table, incrementStatement(table, key)]))

/**
 * One transaction (see `Sink`). Rows are written in one order by everybody (tables in a fixed order, rows by key): writers wait, they do not deadlock.
 * @returns how many records were new
 * @throws CursorMoved StoreUnavailable
 */
export function shipBatch(store: Store, batch: Batch, now: number): Promise<number> {
  return inTransaction(store, async trx => {
    await moveCursor(trx, batch, now)
    const fresh = await insertRecords(trx, batch.records)
    const profiles = new Profiles()
    const errors = new DailyErrors()
    for (const record of fresh) {
      profiles.add(record)
      errors.add(record)
    }
    await addDailySpend.execute(trx, dailySums(profiles.values()))
    await addDailyErrors.execute(trx, errors.rows())
    await addSpend(trx, store.dialect, spendSums(profiles.values()), now)
    await insertBodies.execute(trx, batch.bodies)
    // Last: every writer adds to the same few rows, and waits for whoever holds them.
    await addDailyTotals.execute(trx, dailyTotals(profiles.values()))
    return fresh.length
  })
}

async function moveCursor(trx: Transaction<Tables>, { segment, from, to }: Batch, now: number): Promise<void> {
  const sink = cursorName(segment)
  if (from === 0) {
    await trx
      .insertInto('sink_cursors')
      .values({ sink, seq: 0, pending_seq: null, updated_at: now })
      .onConflict(conflict => conflict.column('sink').doNothing())
      .execute()
  }
  const moved = await trx
    .updateTable('sink_cursors')
    .set({ seq: to, updated_at: now })
    .where('sink', '=', sink)
    .where('seq', '=', from)
    .executeTakeFirst()
  if (Number(moved.numUpdatedRows) === 1) return
  const present = await trx.selectFrom('sink_cursors').select('seq').where('sink', '=', sink).executeTakeFirst()
  throw new CursorMoved(segment, present?.seq ?? 0)
}

async function insertRecords(trx: Transaction<Tables>, records: readonly SpendRecord[]): Promise<SpendRecord[]> {
  const byId = new Map(records.map(record => [record.id, record]))
  const results = await insertLedger.execute<{ id: string }>(trx, [...byId.values()].map(ledgerRow))
  const fresh: SpendRecord[] = []
  for (const { rows } of results) {
    for (const { id } of rows) {
      const record = byId.get(id)
      if (record !== undefined) fresh.push(record)
    }
  }
  return fresh
}

async function addSpend(
  trx: Transaction<Tables>,
  dialect: Store['dialect'],
  sums: ReadonlyMap<SpendTable, readonly SpendSum[]>,
  now: number,
): Promise<void> {
  for (const { table, key } of spendTables) {
    const additions = sums.get(table)
    if (additions === undefined) continue
    const ids = additions.map(sum => sum.key)
    let periods = await lockSpendPeriods(trx, dialect, table, key, ids)
    if (table === 'end_users' && periods.length < ids.length) {
      const known = new Set(periods.map(period => period.first))
      await createEndUsers(
        trx,
        ids.map(([id = '']) => id).filter(id => !known.has(id)),
        now,
      )
      periods = await lockSpendPeriods(trx, dialect, table, key, ids)
    }
    await incrementOf.get(table)?.execute(trx, increments(additions, periods))
  }
}

function increments(
  sums: readonly SpendSum[],
  periods: readonly { readonly first: string; readonly second: string; readonly since: number }[],
): SpendIncrement[] {
  const since = new Map(periods.map(period => [`${period.first}\0${period.second}`, period.since]))
  const list: SpendIncrement[] = []
  for (const sum of sums) {
    const [first = '', second = ''] = sum.key
    const start = since.get(`${first}\0${second}`)
    // No such row: the key of an administrator, an object that was deleted since, a tag that nobody manages.
    if (start === undefined) continue
    list.push({ first, second, cost: countingSince(sum, start), lastActive: sum.lastActive })
  }
  return list
}
