import { type Expression, type RawBuilder, sql } from 'kysely'
import type { Store } from './store.ts'

/**
 * Sums and means of integer columns as floats. A sum of integers may be larger than JavaScript holds exactly, and then it
 * could not be read at all; for means and tests a float says enough. Null over no rows.
 */
export const floatSum = (store: Pick<Store, 'dialect'>, expression: Expression<unknown>): RawBuilder<number | null> =>
  sql`sum(cast(${expression} as ${floatType(store)}))`

export const floatMean = (store: Pick<Store, 'dialect'>, expression: Expression<unknown>): RawBuilder<number | null> =>
  sql`avg(cast(${expression} as ${floatType(store)}))`

const floatType = ({ dialect }: Pick<Store, 'dialect'>): RawBuilder<unknown> =>
  sql.raw(dialect === 'postgres' ? 'double precision' : 'real')
