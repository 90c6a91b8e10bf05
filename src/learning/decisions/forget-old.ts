import type { Store } from '../../platform/store/store.ts'

/** Rows of one delete; each a transaction of its own, so that writers wait for none of them long. */
const batch = 2000

/**
 * Removes decisions and feedback from before a moment.
 * @param before epoch ms
 * @param most rows of each table in this run; the next one goes on
 * @returns decisions removed
 */
export async function forgetDecisions(store: Store, before: number, most = 200_000): Promise<number> {
  let removed = 0
  while (removed < most) {
    const { numDeletedRows } = await store.db
      .deleteFrom('router_decisions')
      .where('id', 'in', eb => eb.selectFrom('router_decisions').select('id').where('at', '<', before).limit(batch))
      .executeTakeFirstOrThrow()
    removed += Number(numDeletedRows)
    if (numDeletedRows < batch) break
  }
  await store.db.deleteFrom('router_feedback').where('updated_at', '<', before).execute()
  return removed
}
