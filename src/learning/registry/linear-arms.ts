import type { Store } from '../../platform/store/store.ts'
import { LinearArm } from '../bandits/linucb.ts'

/** Arms kept per process: 35 kB each in the store, 52 kB here. */
const most = 500

interface Kept {
  readonly arm: LinearArm
  /** Another one: the row was written since. */
  readonly version: string
}

/** LinUCB's arms of the artifacts in use, in memory. What has not changed is not read again. */
export class LinearArms {
  readonly #store: Store
  #arms = new Map<string, Map<string, Kept>>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Undefined: nobody has said anything of that model yet. */
  get(artifact: string, model: string): LinearArm | undefined {
    return this.#arms.get(artifact)?.get(model)?.arm
  }

  /** @param artifacts short ids; none: nothing is kept @throws StoreUnavailable */
  async refresh(artifacts: readonly string[]): Promise<void> {
    if (artifacts.length === 0) {
      this.#arms = new Map()
      return
    }
    const rows = await this.#store.db
      .selectFrom('router_arms')
      .select(['artifact', 'model', 'events', 'updated_at'])
      .where('artifact', 'in', [...artifacts])
      .orderBy('updated_at', 'desc')
      .limit(most)
      .execute()
    const arms = new Map<string, Map<string, Kept>>()
    for (const { artifact, model, events, updated_at: updatedAt } of rows) {
      const version = `${events} ${updatedAt}`
      const before = this.#arms.get(artifact)?.get(model)
      const kept = before?.version === version ? before : await this.#read(artifact, model)
      if (kept === undefined) continue
      const models = arms.get(artifact) ?? new Map<string, Kept>()
      arms.set(artifact, models)
      models.set(model, kept)
    }
    this.#arms = arms
  }

  async #read(artifact: string, model: string): Promise<Kept | undefined> {
    const row = await this.#store.db
      .selectFrom('router_arms')
      .selectAll()
      .where('artifact', '=', artifact)
      .where('model', '=', model)
      .executeTakeFirst()
    if (row === undefined) return undefined
    return { arm: LinearArm.decode(row.state, row.events), version: `${row.events} ${row.updated_at}` }
  }
}
