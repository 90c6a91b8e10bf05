import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import type { Service } from '../harness/services.ts'
import type { Books } from './books.ts'

/** How a statement reads a table of the books. */
export interface TableRead {
  readonly table: string
  /** It looks something up, or reads a range; otherwise it reads all there is. */
  readonly condition: boolean
  readonly plan: string
}

/**
 * What PostgreSQL plans, from its log: it must have been started with `auto_explain` for every statement. Marks in the log
 * tell what was asked between them.
 */
export class PlanLog {
  readonly #postgres: Service
  readonly #books: Books
  #marks = 0

  constructor(postgres: Service, books: Books) {
    this.#postgres = postgres
    this.#books = books
  }

  /** How the books were read since the mark before. */
  async mark(): Promise<TableRead[]> {
    const from = `mark-${this.#marks}-of-the-log`
    const until = `mark-${++this.#marks}-of-the-log`
    await this.#books.query(`select '${until}' as mark`)
    let log = this.#postgres.logs()
    while (!log.includes(until)) {
      await pause(10)
      log = this.#postgres.logs()
    }
    if (this.#marks === 1) return []
    expect(log.includes(from), 'the log of one report does not fit into what is kept').toBe(true)
    const written = log.slice(log.indexOf(from), log.indexOf(until))
    return written.split(/^(?=.*LOG: {2}duration: )/m).flatMap(readsOf)
  }
}

/** `->  Index Scan using daily_spend_tag_pkey on daily_spend_tag d`, and the lines below it that are indented further. */
function readsOf(plan: string): TableRead[] {
  const reads: TableRead[] = []
  const lines = plan.split('\n')
  for (const [index, line] of lines.entries()) {
    const table = / Scan .*\bon ((?:ledger|daily_)\w*)/.exec(line)?.[1]
    if (table === undefined || line.includes('Bitmap Index Scan')) continue
    const depth = line.search(/\S/)
    const end = lines.findIndex((later, at) => at > index && later.search(/\S/) <= depth)
    const below = lines.slice(index, end < 0 ? undefined : end).join('\n')
    reads.push({ table, condition: below.includes('Index Cond') || line.includes('never executed'), plan })
  }
  return reads
}
