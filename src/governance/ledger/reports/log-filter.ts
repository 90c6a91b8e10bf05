import { type RawBuilder, sql } from 'kysely'

/** Calls whose columns hold these values. */
export interface LogFilter {
  /** Epoch ms, from this one on. */
  readonly from?: number | undefined
  /** Epoch ms, up to and including this one. */
  readonly to?: number | undefined
  /** The id the caller saw, or that of the record. */
  readonly requestId?: string | undefined
  readonly token?: string | undefined
  readonly userId?: string | undefined
  readonly teamId?: string | undefined
  readonly endUser?: string | undefined
  readonly sessionId?: string | undefined
  readonly keyAlias?: string | undefined
  readonly model?: string | undefined
  readonly modelGroup?: string | undefined
  readonly deploymentId?: string | undefined
  readonly status?: 'success' | 'failure' | undefined
  readonly error?: string | undefined
  readonly statusCode?: number | undefined
  /** Nano-dollars. */
  readonly minCost?: number | undefined
  readonly maxCost?: number | undefined
  /** A tag of the call. */
  readonly tag?: string | undefined
}

/** Whose calls a caller may see; undefined: everybody's. Any of them suffices. */
export interface LogScope {
  readonly userId: string | undefined
  readonly token: string
  readonly teamIds: readonly string[]
  readonly organizationIds: readonly string[]
}

/** In the words of the index of failed calls, which is not seen otherwise. */
export const failedCall = sql`("error" is not null or "status" >= 400)`

/** What a call must be, beyond when it was. */
export function conditionsOf(filter: LogFilter, scope: LogScope | undefined): RawBuilder<unknown>[] {
  const conditions: RawBuilder<unknown>[] = []
  const equal = (column: string, value: string | number | undefined): void => {
    if (value !== undefined) conditions.push(sql`${sql.ref(column)} = ${value}`)
  }
  if (filter.requestId !== undefined) conditions.push(sql`(id = ${filter.requestId} or call_id = ${filter.requestId})`)
  equal('session_id', filter.sessionId)
  equal('token', filter.token)
  equal('end_user', filter.endUser)
  equal('user_id', filter.userId)
  equal('team_id', filter.teamId)
  equal('key_alias', filter.keyAlias)
  equal('model', filter.model)
  equal('model_group', filter.modelGroup)
  equal('deployment_id', filter.deploymentId)
  equal('error', filter.error)
  equal('status', filter.statusCode)
  if (filter.status === 'success') conditions.push(sql`error is null and status < 400`)
  if (isAboutFailures(filter)) conditions.push(failedCall)
  if (filter.minCost !== undefined) conditions.push(sql`cost >= ${filter.minCost}`)
  if (filter.maxCost !== undefined) conditions.push(sql`cost <= ${filter.maxCost}`)
  if (filter.tag !== undefined) conditions.push(sql`tags like ${tagPattern(filter.tag)} escape '!'`)
  if (scope !== undefined) conditions.push(sql`(${sql.join(scopeConditions(scope), sql` or `)})`)
  return conditions
}

export const isAboutFailures = ({ status, error, statusCode = 0 }: LogFilter): boolean =>
  status === 'failure' || error !== undefined || statusCode >= 400

/** Each of them has an index; any of them suffices. */
export function scopeConditions({ userId, token, teamIds, organizationIds }: LogScope): RawBuilder<unknown>[] {
  return [
    sql`token = ${token}`,
    ...(userId === undefined ? [] : [sql`user_id = ${userId}`]),
    ...teamIds.map(id => sql`team_id = ${id}`),
    ...organizationIds.map(id => sql`organization_id = ${id}`),
  ]
}

/** The tag as it stands in a JSON list. */
const tagPattern = (tag: string): string => `%${JSON.stringify(tag).replace(/[%_!]/g, '!$&')}%`
