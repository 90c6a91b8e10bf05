import type { Clock } from '../../platform/clock.ts'
import type { Store } from '../../platform/store/store.ts'
import { posteriorDefaults } from '../bandits/posterior.ts'
import { cellOf } from '../feedback/learn.ts'
import type { CellPosterior } from '../rollout/port.ts'

/** Milliseconds read again each time: clocks of replicas differ, and transactions end later than they begin. */
const overlap = 10_000
/** After this all cells are read anew. */
const whole = 300_000
/** Cells kept per process: 64 clusters × 16 models × some artifacts. */
const most = 100_000

/** Feedback of the artifacts in use, in memory. */
export class Posteriors {
  readonly #store: Store
  readonly #clock: Clock
  #cells = new Map<string, Map<number, Map<string, CellPosterior>>>()
  #artifacts = ''
  #seen = 0
  #wholeAt = Number.NEGATIVE_INFINITY

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Undefined below the number of events that lets a cell be heard. */
  get(artifact: string, cluster: number, model: string): CellPosterior | undefined {
    const cell = this.#cells.get(artifact)?.get(cluster)?.get(model)
    return cell === undefined || cell.events < posteriorDefaults.minEvents ? undefined : cell
  }

  /** @param artifacts short ids @throws StoreUnavailable */
  async refresh(artifacts: readonly string[]): Promise<void> {
    const names = [...new Set(artifacts)].sort()
    const key = names.join()
    const now = this.#clock.now()
    const anew = key !== this.#artifacts || now - this.#wholeAt > whole
    if (names.length === 0) {
      this.#cells = new Map()
      this.#artifacts = key
      return
    }
    let query = this.#store.db.selectFrom('router_cells').selectAll().where('artifact', 'in', names).limit(most)
    if (!anew) query = query.where('updated_at', '>=', this.#seen - overlap)
    const rows = await query.execute()
    if (anew) {
      this.#cells = new Map()
      this.#artifacts = key
      this.#wholeAt = now
      this.#seen = 0
    }
    for (const row of rows) {
      const clusters = this.#cells.get(row.artifact) ?? new Map<number, Map<string, CellPosterior>>()
      this.#cells.set(row.artifact, clusters)
      const models = clusters.get(row.cluster) ?? new Map<string, CellPosterior>()
      clusters.set(row.cluster, models)
      models.set(row.model, cellOf(row))
      this.#seen = Math.max(this.#seen, row.updated_at)
    }
  }
}
