import { books } from './0001-books.ts'
import { objects, usersByEmail } from './0001-objects.ts'
import { spendPeriods } from './0002-spend-periods.ts'
import { learnedRouting } from './0003-learned-routing.ts'
import { dailyTotalsStep } from './0004-daily-totals.ts'
import type { Migration } from './migration.ts'
import { createTable } from './table-shape.ts'

/** In order. Add at the end; what was released stays as it is (see `Migration`). */
export const migrations: readonly Migration[] = [
  {
    id: 1,
    name: 'objects-and-books',
    statements: target => [...[...objects, ...books].flatMap(shape => createTable(target, shape)), usersByEmail],
  },
  { id: 2, name: 'spend-periods', statements: spendPeriods },
  { id: 3, name: 'learned-routing', statements: learnedRouting },
  { id: 4, name: 'daily-totals', statements: dailyTotalsStep },
]
