import type { Kysely } from 'kysely'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import type { Changed } from '../management/change.ts'

/** What authentication needs of the control plane; `Governance` is one. */
export interface ControlPlane {
  readonly store: Store
  readonly state: SharedState
  /** Writes rows and audit records in one transaction, then tells every process. */
  change<T>(work: (trx: Kysely<Tables>) => Promise<Changed<T>>): Promise<T>
}
