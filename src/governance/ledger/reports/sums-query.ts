/** Whose sums: the `entity` of `daily_spend`. */
export type Entity = 'all' | 'user' | 'team' | 'team_member' | 'organization' | 'project' | 'agent' | 'end_user' | 'tag'

/** A part of the sums; a report adds several up, so they must not hold a call twice (other than those of tags). */
export interface Selection {
  readonly entity: Entity
  /** Undefined: every id of the entity. Empty: none. */
  readonly ids?: readonly string[] | undefined
  readonly excludeIds?: readonly string[] | undefined
  /** Calls of these keys only. Empty: none. */
  readonly tokens?: readonly string[] | undefined
}

export interface SumsQuery {
  readonly selections: readonly Selection[]
  /** `YYYY-MM-DD`, UTC, both included. */
  readonly from: string
  readonly to: string
  readonly model?: string | undefined
  readonly modelGroup?: string | undefined
}

export type Dimension = 'date' | 'entity_id' | 'token' | 'model' | 'model_group' | 'provider' | 'route'
