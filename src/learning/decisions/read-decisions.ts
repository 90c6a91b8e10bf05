import type { RouterDecisionRow } from '../../platform/store/learning-tables.ts'
import { keysetAfter } from '../../platform/store/pages.ts'
import type { Store } from '../../platform/store/store.ts'
import type { DecisionDetails } from './decision-row.ts'
import { fromMicro } from './micro.ts'

/** A decision as learners read it: shares as fractions, money in dollars, text where it was captured. */
export interface LoggedDecision {
  readonly id: string
  readonly at: number
  readonly router: string
  readonly route: string
  readonly strategy: string
  readonly reason: string
  readonly artifact: string | undefined
  readonly chosen: string
  readonly answeredBy: string | undefined
  readonly cluster: number
  readonly explored: boolean
  readonly propensity: number
  readonly predicted: number
  readonly familiarity: number
  readonly experiment: string | undefined
  readonly arm: string | undefined
  readonly failed: boolean
  readonly inputTokens: number
  readonly outputTokens: number
  /** US dollars. */
  readonly cost: number | undefined
  /** Milliseconds. */
  readonly duration: number
  /** 0..1; undefined: no check was made, no feedback came. */
  readonly checked: number | undefined
  readonly reward: number | undefined
  readonly details: DecisionDetails
  /** Only where capture was on. */
  readonly text: { readonly prompt: string; readonly system: string; readonly response: string | undefined } | undefined
}

export interface DecisionFilter {
  readonly router?: string
  /** Epoch ms of the call. */
  readonly from?: number
  readonly until?: number
  /** Only those with captured text: what a data set can be made of. */
  readonly withText?: boolean
  readonly most?: number
}

const page = 500

/** Decisions in the order of their ids, which is that of time; any number, a page in memory. */
export async function* readDecisions(store: Store, filter: DecisionFilter = {}): AsyncGenerator<LoggedDecision> {
  let last = ''
  let left = filter.most ?? Number.POSITIVE_INFINITY
  while (left > 0) {
    let query = store.db
      .selectFrom('router_decisions as d')
      .leftJoin('router_captures as c', 'c.id', 'd.id')
      .selectAll('d')
      .select(['c.prompt', 'c.system', 'c.response'])
      .where(keysetAfter(['d.id'], [last]))
      .orderBy('d.id')
      .limit(Math.min(page, left))
    if (filter.router !== undefined) query = query.where('d.router', '=', filter.router)
    if (filter.from !== undefined) query = query.where('d.at', '>=', filter.from)
    if (filter.until !== undefined) query = query.where('d.at', '<', filter.until)
    if (filter.withText === true) query = query.where('c.prompt', 'is not', null)
    const rows = await query.execute()
    for (const row of rows) {
      const text =
        row.prompt === null
          ? undefined
          : { prompt: row.prompt, system: row.system ?? '', response: row.response ?? undefined }
      yield { ...logged(row), text }
    }
    const end = rows.at(-1)
    if (end === undefined || rows.length < page) return
    last = end.id
    left -= rows.length
  }
}

export function logged(row: RouterDecisionRow): LoggedDecision {
  return {
    id: row.id,
    at: row.at,
    router: row.router,
    route: row.route,
    strategy: row.strategy,
    reason: row.reason,
    artifact: row.artifact ?? undefined,
    chosen: row.chosen,
    answeredBy: row.answered_by ?? undefined,
    cluster: row.cluster,
    explored: row.explored === 1,
    propensity: fromMicro(row.propensity),
    predicted: fromMicro(row.predicted),
    familiarity: fromMicro(row.familiarity),
    experiment: row.experiment ?? undefined,
    arm: row.arm ?? undefined,
    failed: row.failed === 1,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cost: row.cost === null ? undefined : row.cost / 1e9,
    duration: row.duration_ms,
    checked: row.checked === null ? undefined : fromMicro(row.checked),
    reward: row.reward === null ? undefined : fromMicro(row.reward),
    details: JSON.parse(row.details) as DecisionDetails,
    text: undefined,
  }
}
