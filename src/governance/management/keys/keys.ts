import type { Kysely, Selectable } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import { parseDollars } from '../../../platform/money.ts'
import type { KeyRow, Tables } from '../../../platform/store/tables.ts'
import type { Actor, AuditAction } from '../../audit/audit-log.ts'
import type { Principal } from '../../authentication/principal.ts'
import { asToken, maskedKey, newKey, tokenOf } from '../../authentication/token-hash.ts'
import { keyTypes } from '../../authorization/route-groups.ts'
import { mayManage, maySee, notFound } from '../../authorization/tenancy.ts'
import { startingSpend } from '../../ledger/spend-reset.ts'
import { numberOf, parseSettings } from '../../objects/settings.ts'
import type { Caller } from '../managed-objects.ts'
import { budgetResetAt, expiresAt, type Management } from '../management.ts'
import { mergedSettings } from '../present.ts'
import { assignSpend, type Spender, setSpend } from '../set-spend.ts'
import type { KeyRequest, NewKeyRequest, UpdateKeyRequest } from './key-fields.ts'
import { keyColumns, keyObject, keyOwnership } from './key-object.ts'
import { authorizeKey, requireTeam, withBounds } from './key-rules.ts'

/** Fields of requests that are instructions, not settings of a key. */
const instructions = ['key', 'key_type', 'duration', 'send_invite_email', 'new_key', 'grace_period'] as const

/** Virtual keys: make, change, replace, block, delete. Every change is audited and told to all processes. */
export class Keys {
  readonly #management: Management

  constructor(management: Management) {
    this.#management = management
  }

  /** The key in clear is in the answer, once. @throws GatewayError */
  async generate(caller: Caller, sent: NewKeyRequest, route = '/key/generate'): Promise<Record<string, unknown>> {
    const { governance, clock, settings } = this.#management
    const { defaultKeyParams, upperKeyParams, keyGeneration, keysNeedTeam } = settings()
    const own =
      caller.principal.admin || sent.team_id != null
        ? sent
        : { ...sent, user_id: sent.user_id ?? caller.principal.userId }
    const request = withBounds(own, defaultKeyParams, upperKeyParams)
    requireTeam(keysNeedTeam, request.team_id)
    const key = request.key ?? newKey()
    if (!key.startsWith('sk-') || key.length < 10) {
      throw new GatewayError('invalid_request', "'key' must begin with `sk-` and have at least 10 characters.", {
        param: 'key',
      })
    }
    const routes = request.allowed_routes ?? keyTypes[request.key_type ?? 'default'] ?? []
    const { allowed_routes: asked, ...rest } = request
    const team = await authorizeKey(
      governance.store.db,
      caller.principal,
      route,
      asked == null ? rest : request,
      keyGeneration,
    )
    const now = clock.epoch()
    const row: KeyRow = {
      token: tokenOf(key),
      key_name: maskedKey(key),
      key_alias: request.key_alias ?? null,
      user_id: request.user_id ?? null,
      team_id: request.team_id ?? null,
      organization_id: request.organization_id ?? team?.organization_id ?? null,
      project_id: request.project_id ?? null,
      agent_id: request.agent_id ?? null,
      budget_id: request.budget_id ?? null,
      spend: nano(request.spend) ?? 0,
      budget_reset_at: budgetResetAt(this.#management, request.budget_duration),
      expires_at: expiresAt(this.#management, request.duration),
      blocked: request.blocked === true ? 1 : 0,
      rotates_at:
        request.auto_rotate === true
          ? expiresAt(this.#management, request.rotation_interval ?? '30d', 'rotation_interval')
          : null,
      last_active_at: null,
      settings: mergedSettings(undefined, { ...settingsOf(request), allowed_routes: [...routes] }, keyColumns),
      created_at: now,
      created_by: caller.actor.name,
      updated_at: now,
      updated_by: caller.actor.name,
    }
    await governance.change(async trx => {
      await refuseTaken(trx, row, 'new')
      await trx
        .insertInto('keys')
        .values({ ...row, ...startingSpend(row.spend, now) })
        .execute()
      return {
        result: undefined,
        audit: [this.#event(caller, 'created', row, undefined, keyObject(row))],
        notices: [{ kind: 'key', id: row.token }],
      }
    })
    return { ...keyObject(row), key, token: row.token, token_id: row.token }
  }

  /** @throws GatewayError */
  async update(caller: Caller, sent: UpdateKeyRequest): Promise<Record<string, unknown>> {
    const { governance, clock, settings } = this.#management
    const { upperKeyParams, keyGeneration, keysNeedTeam } = settings()
    const before = await this.#managed(caller, sent.key, '/key/update')
    const request = withBounds(sent, {}, presentOnly(upperKeyParams, sent))
    await authorizeKey(
      governance.store.db,
      caller.principal,
      '/key/update',
      ownedBy(request, before),
      keyGeneration,
      parseSettings(before.settings),
    )
    if (request.team_id !== undefined) requireTeam(keysNeedTeam, request.team_id)
    const has = (name: keyof UpdateKeyRequest): boolean => request[name] !== undefined
    const after: KeyRow = {
      ...before,
      key_alias: has('key_alias') ? (request.key_alias ?? null) : before.key_alias,
      user_id: has('user_id') ? (request.user_id ?? null) : before.user_id,
      team_id: has('team_id') ? (request.team_id ?? null) : before.team_id,
      organization_id: has('organization_id') ? (request.organization_id ?? null) : before.organization_id,
      project_id: has('project_id') ? (request.project_id ?? null) : before.project_id,
      agent_id: has('agent_id') ? (request.agent_id ?? null) : before.agent_id,
      budget_id: has('budget_id') ? (request.budget_id ?? null) : before.budget_id,
      spend: nano(request.spend) ?? before.spend,
      budget_reset_at: has('budget_duration')
        ? budgetResetAt(this.#management, request.budget_duration)
        : before.budget_reset_at,
      expires_at: has('duration') ? expiresAt(this.#management, request.duration) : before.expires_at,
      blocked: typeof request.blocked === 'boolean' ? Number(request.blocked) : before.blocked,
      rotates_at:
        request.auto_rotate === true
          ? expiresAt(this.#management, request.rotation_interval ?? '30d', 'rotation_interval')
          : request.auto_rotate === false
            ? null
            : before.rotates_at,
      settings: mergedSettings(before.settings, settingsOf(request), keyColumns),
      updated_at: clock.epoch(),
      updated_by: caller.actor.name,
    }
    await this.#replace(caller, 'updated', before, after)
    if (after.spend !== before.spend) await assignSpend(this.#management, spenderOf(after), after.spend)
    return keyObject(after)
  }

  /** Keys that the caller may not manage are not deleted, and make the whole call fail. */
  async delete(caller: Caller, keys: readonly string[], aliases: readonly string[]): Promise<readonly string[]> {
    const { governance, clock } = this.#management
    const { db } = governance.store
    const rows: KeyRow[] = []
    for (const key of keys) rows.push(await this.#managed(caller, key, '/key/delete'))
    for (const alias of aliases) {
      const row = await db.selectFrom('keys').selectAll().where('key_alias', '=', alias).executeTakeFirst()
      if (row === undefined || !mayManage(caller.principal, keyOwnership(row), '/key/delete'))
        throw notFound('key with alias', alias)
      rows.push(row)
    }
    const now = clock.epoch()
    await governance.change(async trx => {
      for (const row of rows) {
        await trx.deleteFrom('keys').where('token', '=', row.token).execute()
        await trx.deleteFrom('deprecated_keys').where('successor', '=', row.token).execute()
        await trx
          .insertInto('deleted_objects')
          .values({
            id: newId(),
            kind: 'key',
            object_id: row.token,
            value: JSON.stringify(row),
            deleted_at: now,
            deleted_by: caller.actor.name,
          })
          .execute()
      }
      return {
        result: undefined,
        audit: rows.map(row => this.#event(caller, 'deleted', row, keyObject(row), undefined)),
        notices: rows.map(row => ({ kind: 'key', id: row.token }) as const),
      }
    })
    return rows.map(row => row.token)
  }

  /**
   * A new secret for the same key: settings, spend and limits stay. With a grace period the old one keeps working.
   * @throws GatewayError
   */
  async regenerate(
    caller: Caller,
    key: string,
    sent: Omit<UpdateKeyRequest, 'key'> & {
      readonly new_key?: string | null | undefined
      readonly grace_period?: string | null | undefined
    },
  ): Promise<Record<string, unknown>> {
    const { governance, clock } = this.#management
    const before = await this.#managed(caller, key, '/key/regenerate')
    if (Object.keys(settingsOf(sent)).some(name => name !== 'duration')) {
      await this.update(caller, { ...sent, key: before.token })
    }
    const current = await this.#managed(caller, before.token, '/key/regenerate')
    const secret = sent.new_key ?? newKey()
    if (!secret.startsWith('sk-') || secret.length < 10) {
      throw new GatewayError('invalid_request', "'new_key' must begin with `sk-`.", { param: 'new_key' })
    }
    const now = clock.epoch()
    const grace = expiresAt(this.#management, sent.grace_period ?? undefined, 'grace_period')
    const rotations = numberOf(parseSettings(current.settings), 'rotation_count') ?? 0
    const after: KeyRow = {
      ...current,
      token: tokenOf(secret),
      key_name: maskedKey(secret),
      expires_at: sent.duration == null ? current.expires_at : expiresAt(this.#management, sent.duration),
      rotates_at: this.#nextRotation(current),
      settings: mergedSettings(
        current.settings,
        { rotation_count: rotations + 1, last_rotation_at: new Date(now).toISOString() },
        keyColumns,
      ),
      updated_at: now,
      updated_by: caller.actor.name,
    }
    await governance.change(async trx => {
      await refuseTaken(trx, { ...after, key_alias: null }, 'new')
      await trx.deleteFrom('keys').where('token', '=', current.token).execute()
      // The books know calls by the hash of their key: what was spent before is what the new hash starts with.
      await trx
        .insertInto('keys')
        .values({ ...after, ...startingSpend(after.spend, now) })
        .execute()
      await trx
        .updateTable('deprecated_keys')
        .set({ successor: after.token })
        .where('successor', '=', current.token)
        .execute()
      if (grace !== null) {
        await trx
          .insertInto('deprecated_keys')
          .values({ token: current.token, successor: after.token, valid_until: grace })
          .execute()
      }
      return {
        result: undefined,
        audit: [this.#event(caller, 'rotated', after, keyObject(current), keyObject(after))],
        notices: [
          { kind: 'key', id: current.token },
          { kind: 'key', id: after.token },
        ],
      }
    })
    return { ...keyObject(after), key: secret, token: after.token, token_id: after.token }
  }

  /** Replaces keys whose rotation is due; returns how many. Run under a lock. */
  async rotateDue(actor: Actor, principal: Principal, gracePeriod: string | undefined): Promise<number> {
    const { governance, clock } = this.#management
    const due = await governance.store.db
      .selectFrom('keys')
      .select('token')
      .where('rotates_at', '<=', clock.epoch())
      .limit(100)
      .execute()
    for (const { token } of due) await this.regenerate({ actor, principal }, token, { grace_period: gracePeriod })
    return due.length
  }

  async setBlocked(caller: Caller, key: string, blocked: boolean): Promise<Record<string, unknown>> {
    const before = await this.#managed(caller, key, blocked ? '/key/block' : '/key/unblock')
    const after = {
      ...before,
      blocked: blocked ? 1 : 0,
      updated_at: this.#management.clock.epoch(),
      updated_by: caller.actor.name,
    }
    await this.#replace(caller, blocked ? 'blocked' : 'unblocked', before, after)
    return keyObject(after)
  }

  /** Sets what the key has spent in the running window, in the store and in the shared counters. */
  async resetSpend(caller: Caller, key: string, dollars: number): Promise<Record<string, unknown>> {
    const before = await this.#managed(caller, key, '/key/reset_spend')
    if (
      !caller.principal.admin &&
      !mayManage(caller.principal, { teamId: before.team_id, organizationId: before.organization_id })
    ) {
      throw new GatewayError(
        'permission_denied',
        'Only administrators and admins of the key’s team may reset its spend.',
      )
    }
    const spend = nano(dollars) ?? 0
    const after = { ...before, spend }
    const spender = spenderOf(before)
    await this.#management.governance.change(async trx => {
      await setSpend(this.#management, trx, spender, spend)
      return {
        result: undefined,
        audit: [this.#event(caller, 'updated', after, keyObject(before), keyObject(after))],
        notices: [{ kind: 'key', id: before.token }],
      }
    })
    await assignSpend(this.#management, spender, spend)
    return keyObject(after)
  }

  /** @throws GatewayError 404 also for keys of others */
  async info(caller: Caller, key: string): Promise<{ row: KeyRow; info: Record<string, unknown> }> {
    const row = await this.#find(key)
    if (row === undefined || !maySee(caller.principal, keyOwnership(row), '/key/info'))
      throw notFound('key', masked(key))
    return { row, info: keyObject(row) }
  }

  async #managed(caller: Caller, key: string, route: string): Promise<KeyRow> {
    const row = await this.#find(key)
    if (row === undefined || !mayManage(caller.principal, keyOwnership(row), route)) throw notFound('key', masked(key))
    return row
  }

  #find(key: string): Promise<Selectable<KeyRow> | undefined> {
    return this.#management.governance.store.db
      .selectFrom('keys')
      .selectAll()
      .where('token', '=', asToken(key))
      .executeTakeFirst()
  }

  async #replace(caller: Caller, action: AuditAction, before: KeyRow, after: KeyRow): Promise<void> {
    await this.#management.governance.change(async trx => {
      if (after.key_alias !== before.key_alias) await refuseTaken(trx, after, 'known')
      const { token, spend } = after
      await trx.updateTable('keys').set(changed(before, after)).where('token', '=', token).execute()
      // Spend moves all the time: it is only written where it was asked for.
      if (spend !== before.spend) await setSpend(this.#management, trx, spenderOf(after), spend)
      return {
        result: undefined,
        audit: [this.#event(caller, action, after, keyObject(before), keyObject(after))],
        notices: [{ kind: 'key', id: token }],
      }
    })
  }

  #nextRotation(row: KeyRow): number | null {
    if (row.rotates_at === null) return null
    return expiresAt(this.#management, parseSettings(row.settings)['rotation_interval'] ?? '30d', 'rotation_interval')
  }

  #event(
    caller: Caller,
    action: AuditAction,
    row: KeyRow,
    before: Record<string, unknown> | undefined,
    after: Record<string, unknown> | undefined,
  ) {
    return { actor: caller.actor, action, objectKind: 'key', objectId: row.token, before, after } as const
  }
}

/** Columns that are another than before: the rest may have moved meanwhile (spend, windows, last use) and stays. */
function changed(before: KeyRow, after: KeyRow): Partial<KeyRow> {
  const { token: _token, spend: _spend, ...columns } = after
  return Object.fromEntries(
    Object.entries(columns).filter(([name, value]) => value !== before[name as keyof KeyRow]),
  ) as Partial<KeyRow>
}

const spenderOf = (row: KeyRow): Spender => ({
  table: 'keys',
  key: [row.token],
  scope: 'key',
  scopeId: row.token,
  settings: row.settings,
  resetAt: row.budget_reset_at,
})

/** @throws GatewayError when the key or its alias exists */
async function refuseTaken(trx: Kysely<Tables>, row: KeyRow, token: 'new' | 'known'): Promise<void> {
  const taken = await trx
    .selectFrom('keys')
    .select(['token', 'key_alias'])
    .where(eb => eb.or([eb('token', '=', row.token), eb('key_alias', '=', row.key_alias)]))
    .execute()
  for (const other of taken) {
    if (row.key_alias !== null && other.key_alias === row.key_alias && other.token !== row.token) {
      throw new GatewayError('conflict', `A key with the alias '${row.key_alias}' exists already.`, {
        param: 'key_alias',
        status: 400,
      })
    }
    if (other.token === row.token && token === 'new') {
      throw new GatewayError('conflict', 'This key exists already.', { param: 'key', status: 400 })
    }
  }
}

function settingsOf(request: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const settings = { ...request }
  for (const name of instructions) delete settings[name]
  return settings
}

/** Rights are checked against whom the key will belong to. */
const ownedBy = (request: UpdateKeyRequest, before: KeyRow): KeyRequest => ({
  ...request,
  user_id: request.user_id === undefined ? before.user_id : request.user_id,
  team_id: request.team_id === undefined ? before.team_id : request.team_id,
})

/** On update a bound applies to the fields that are sent. */
const presentOnly = (upper: Readonly<Record<string, unknown>>, sent: object): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(upper).filter(([name]) => (sent as Readonly<Record<string, unknown>>)[name] != null),
  )

const nano = (dollars: number | null | undefined): number | undefined =>
  dollars == null ? undefined : parseDollars(dollars)

/** What an error may repeat of a key. */
const masked = (key: string): string => (key.startsWith('sk-') ? maskedKey(key) : key.slice(0, 64))
