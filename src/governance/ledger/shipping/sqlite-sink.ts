import type { DatabaseSync } from 'node:sqlite'
import { openDatabase, threadError } from '../../../platform/store/sqlite/open-database.ts'
import { fromThread } from '../../../platform/store/sqlite/sqlite-error.ts'
import { StoreUnavailable } from '../../../platform/store/store.ts'
import { DailyErrors, dailyKeyColumns, dailySumColumns, dailySums, errorKeyColumns } from './daily-sums.ts'
import { dailyTotals, totalKeyColumns } from './daily-totals.ts'
import { ledgerColumns, ledgerRow } from './ledger-row.ts'
import { parseLine } from './parse-lines.ts'
import { Profiles } from './profiles.ts'
import { CursorMoved, cursorName, type Shipped, type Sink, type Stretch } from './sink.ts'
import { countingSince, type SpendSum, type SpendTable, spendSums, spendTables } from './spend-sums.ts'
import { bodyColumns, prepareStatements, type SqliteStatements } from './sqlite-statements.ts'

type Value = string | number | bigint | null

/**
 * Ships through a connection of its own, without a promise: only for a thread whose callers can wait for a batch. One line
 * is parsed, bound and forgotten before the next. A record costs 8–13 µs (batches of 500, a key of team and user, Node 24): 4 to
 * insert it and its eight index entries, 3 for the commit and its share of checkpoints, 3 to parse it.
 */
export class SqliteSink implements Sink {
  readonly description: string
  readonly #path: string
  readonly #busyTimeoutMs: number
  #db: DatabaseSync | undefined
  #statements: SqliteStatements | undefined
  #available = true
  readonly #row: Value[] = []

  constructor(path: string, busyTimeoutMs: number) {
    this.#path = path
    this.#busyTimeoutMs = busyTimeoutMs
    this.description = `SQLite file ${path}`
  }

  get available(): boolean {
    return this.#available
  }

  cursor(segment: string): number {
    return this.#run(({ cursor }) => {
      const row = cursor.get(cursorName(segment)) as { seq: number } | undefined
      return row?.seq ?? 0
    })
  }

  ship(stretch: Stretch, now: number): Shipped {
    return this.#run(statements => {
      statements.begin.run()
      try {
        const shipped = this.#write(statements, stretch, now)
        statements.commit.run()
        return shipped
      } catch (error) {
        // SQLite ends a transaction by itself after some errors (disk full).
        if (this.#db?.isTransaction === true) statements.rollback.run()
        throw error
      }
    })
  }

  forget(segments: readonly string[]): void {
    this.#run(({ forgetCursor }) => {
      for (const segment of segments) forgetCursor.run(cursorName(segment))
    })
  }

  close(): void {
    this.#db?.close()
    this.#db = undefined
    this.#statements = undefined
  }

  #write(statements: SqliteStatements, { segment, from, to, lines }: Stretch, now: number): Shipped {
    this.#moveCursor(statements, segment, from, to, now)
    const profiles = new Profiles()
    const errors = new DailyErrors()
    let fresh = 0
    let damaged = 0
    for (const { json } of lines) {
      const line = parseLine(json)
      if (line.kind === 'damaged') {
        damaged++
      } else if (line.kind === 'body') {
        statements.body.run(...this.#values(line.body, bodyColumns))
      } else {
        const { record } = line
        const { changes } = statements.record.run(...this.#values(ledgerRow(record), ledgerColumns))
        if (changes === 0) continue
        fresh++
        profiles.add(record)
        errors.add(record)
      }
    }
    for (const row of dailySums(profiles.values())) {
      statements.daily.run(...this.#values(row, [...dailyKeyColumns, ...dailySumColumns]))
    }
    for (const row of dailyTotals(profiles.values())) {
      statements.total.run(...this.#values(row, [...totalKeyColumns, ...dailySumColumns]))
    }
    for (const row of errors.rows()) statements.error.run(...this.#values(row, [...errorKeyColumns, 'requests']))
    const sums = spendSums(profiles.values())
    for (const { table } of spendTables) this.#addSpend(statements, table, sums.get(table) ?? [], now)
    return { fresh, damaged }
  }

  #moveCursor(statements: SqliteStatements, segment: string, from: number, to: number, now: number): void {
    const sink = cursorName(segment)
    if (from === 0) statements.firstCursor.run(sink, 0, now)
    if (statements.moveCursor.run(to, now, sink, from).changes === 1) return
    const present = statements.cursor.get(sink) as { seq: number } | undefined
    throw new CursorMoved(segment, present?.seq ?? 0)
  }

  #addSpend(statements: SqliteStatements, table: SpendTable, sums: readonly SpendSum[], now: number): void {
    const { since, add } = statements.spend.get(table) ?? {}
    for (const sum of sums) {
      // End users come into being with the first call that costs something.
      if (table === 'end_users') statements.endUser.run(sum.key[0] ?? '', 0, 0, '{}', now, now)
      const period = since?.get(...sum.key) as { since: number } | undefined
      // No such row: the key of an administrator, an object that was deleted since, a tag that nobody manages.
      if (period === undefined) continue
      // As an integer: added to a float, spend would lose its last digits long before it is full.
      const cost = BigInt(countingSince(sum, period.since))
      if (table === 'keys') add?.run(cost, sum.lastActive, ...sum.key)
      else add?.run(cost, ...sum.key)
    }
  }

  /** The columns of a row, in the order in which a statement binds them; the list is used again by the next. */
  #values<Row extends object>(row: Row, columns: readonly (keyof Row)[]): Value[] {
    const values = this.#row
    values.length = columns.length
    for (let index = 0; index < columns.length; index++) {
      const value = row[columns[index] as keyof Row] as string | number | null
      if (typeof value === 'number' && !Number.isSafeInteger(value)) {
        throw new RangeError(`the number ${value} cannot be stored in ${String(columns[index])}`)
      }
      values[index] = value
    }
    return values
  }

  /** Opened when it is first needed, and anew after an outage: the file may be another one then. */
  #run<T>(work: (statements: SqliteStatements) => T): T {
    try {
      const done = work(this.#open())
      this.#available = true
      return done
    } catch (error) {
      if (error instanceof CursorMoved || error instanceof RangeError || error instanceof TypeError) throw error
      const meaning = fromThread(threadError(error))
      if (!(meaning instanceof StoreUnavailable)) throw meaning
      this.#available = false
      try {
        this.close()
      } catch {
        // Then it is gone already.
      }
      throw meaning
    }
  }

  #open(): SqliteStatements {
    if (this.#statements !== undefined) return this.#statements
    this.#db ??= openDatabase({ path: this.#path, readOnly: false, busyTimeoutMs: this.#busyTimeoutMs })
    this.#statements = prepareStatements(this.#db)
    return this.#statements
  }
}
