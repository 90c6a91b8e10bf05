// One of several processes that write into one audit log: node audit-writer.ts <sqlite file | postgres url> <name> <count>
import { alice, testLog, updated } from '../../src/governance/audit/audit.fixtures.ts'
import { Secret } from '../../src/platform/security/secret.ts'
import { openStore } from '../../src/platform/store/open-store.ts'
import { inTransaction } from '../../src/platform/store/transaction.ts'

const [target = '', name = '', count = ''] = process.argv.slice(2)
const store = await openStore(
  target.startsWith('postgres') ? { kind: 'postgres', url: new Secret(target) } : { kind: 'sqlite', path: target },
)
const { audit } = testLog(store)
const event = (index: number) => updated(`${name}-${index}`, { actor: { ...alice, name } })
let next = 0

/** Every third record is written on its own, the others in the transaction of a change, two at a time. */
async function lane(): Promise<void> {
  while (next < Number(count)) {
    const index = next
    if (index % 3 === 0) {
      next += 1
      await audit.record(event(index))
      continue
    }
    next += 2
    await inTransaction(store, async trx => {
      const row = { name: `${name}-${index}`, value: '{}', revision: 1, updated_at: 0, updated_by: name }
      await trx.insertInto('settings').values(row).execute()
      await audit.recordIn(trx, event(index), event(index + 1))
    })
  }
}

await Promise.all(Array.from({ length: 8 }, lane))
await audit.close()
await store.close()
