import type { Kysely } from 'kysely'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Store } from '../../platform/store/store.ts'
import type { Tables } from '../../platform/store/tables.ts'
import type { Changed, ChangeNotice } from '../management/change.ts'
import type { PrincipalCache } from './principal-cache.ts'

/** What authentication needs of the control plane; `Governance` is one. */
export interface ControlPlane {
  readonly store: Store
  readonly state: SharedState
  /** Writes rows and audit records in one transaction, then tells every process. */
  change<T>(work: (trx: Kysely<Tables>) => Promise<Changed<T>>): Promise<T>
}

/** The same with what is kept of callers: for what composes the ways of authentication. */
export interface CallerPlane extends ControlPlane {
  /** Virtual keys. */
  readonly principals: Pick<PrincipalCache, 'find'>
  onNotice(listener: (notice: ChangeNotice) => void): () => void
}
