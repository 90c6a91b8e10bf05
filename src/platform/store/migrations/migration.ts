import type { Kysely } from 'kysely'
import type { Store } from '../store.ts'

/**
 * One step of the schema. Steps only go forward and destroy nothing: tables, columns and indexes are added, so that
 * programs of the version before keep running on the schema of the next while replicas are replaced.
 *
 * A step that was released never changes: its statements are recorded by checksum, and a database that was made by others
 * is refused.
 */
export interface Migration {
  /** 1, 2, 3 … without gaps. */
  readonly id: number
  /** Kebab-case, for people. */
  readonly name: string
  /** SQL, in order, run in one transaction. Without side effects: it is also built only to be compared. */
  readonly statements: (target: SchemaTarget) => readonly string[]
}

export interface SchemaTarget {
  readonly dialect: Store['dialect']
  readonly schema: Kysely<unknown>['schema']
}
