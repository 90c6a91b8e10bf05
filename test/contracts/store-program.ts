/** A process that uses a store as the gateway does: `node store-program.ts <work> <path or URL> [count]`. */
import { sql } from 'kysely'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import { forUpdate, inTransaction } from '../../src/platform/store/transaction.ts'
import { ledgerRow, rows } from './store-rows.ts'

const [work, where = '', count = '0'] = process.argv.slice(2)
const store = await openStore(
  where.startsWith('postgres') ? { kind: 'postgres', url: new Secret(where) } : { kind: 'sqlite', path: where },
)
const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** Reads, computes and writes back: loses counts when two do it at once. */
const count1 = (): Promise<void> =>
  inTransaction(store, async trx => {
    const { revision } = await forUpdate(store, trx.selectFrom('settings').select('revision')).executeTakeFirstOrThrow()
    await trx
      .updateTable('settings')
      .set({ revision: revision + 1 })
      .execute()
  })

switch (work) {
  case 'open':
    say('open')
    break
  case 'count':
    say('ready')
    for (let done = 0; done < Number(count); done++) await count1()
    say('done')
    break
  case 'ledger':
    // Writes batches whose cost is booked in the same transaction, until it is killed.
    for (let batch = 0; ; batch++) {
      const batchRows = Array.from({ length: 50 }, (_, index) => ledgerRow(batch * 50 + index, { cost: 1 }))
      await inTransaction(store, async trx => {
        await trx.insertInto('ledger').values(batchRows).execute()
        await trx
          .insertInto('daily_spend')
          .values({ ...rows.daily_spend, cost: batchRows.length })
          .onConflict(conflict =>
            conflict
              .columns(['entity', 'entity_id', 'date', 'token', 'model', 'model_group', 'provider', 'route'])
              .doUpdateSet({ cost: sql<number>`daily_spend.cost + excluded.cost` }),
          )
          .execute()
      })
      say(`wrote ${(batch + 1) * 50}`)
    }
  case 'hold':
    await store.db.transaction().execute(async trx => {
      await trx
        .insertInto('settings')
        .values({ ...rows.settings, name: 'held' })
        .execute()
      say('holding')
      await new Promise(resolve => setTimeout(resolve, Number(count)))
    })
    say('done')
    break
}
await store.close()
