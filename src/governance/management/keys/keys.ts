import type { Selectable } from 'kysely'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { newId } from '../../../platform/ids.ts'
import { parseDollars } from '../../../platform/money.ts'
import type { KeyRow } from '../../../platform/store/tables.ts'
import type { Actor, AuditAction } from '../../audit/audit-log.ts'
import { asToken, maskedKey, newKey, tokenOf } from '../../authentication/token-hash.ts'
import { keyTypes } from '../../authorization/route-groups.ts'
import { mayManage, maySee, notFound } from '../../authorization/tenancy.ts'
import { startingSpend } from '../../ledger/spend-reset.ts'
import { parseSettings } from '../../objects/settings.ts'
import type { Caller } from '../managed-objects.ts'
import { budgetResetAt, expiresAt, type Management } from '../management.ts'
import { mergedSettings } from '../present.ts'
import { assignSpend, type Spender, setSpend } from '../set-spend.ts'
import { changed, ownedBy, presentOnly, settingsOf } from './key-changes.ts'
import { withTemporaryEnd } from './key-expiry.ts'
import type { NewKeyRequest, UpdateKeyRequest } from './key-fields.ts'
import { keyColumns, keyObject, keyOwnership } from './key-object.ts'
import { authorizeKey, requireTeam, withBounds } from './key-rules.ts'
import { KeySecrets, secretName } from './key-secrets.ts'
import { refuseTaken } from './refuse-taken.ts'
import { defaultRotation, replaceSecret } from './replace-secret.ts'

/** Virtual keys: make, change, replace, block, delete. Every change is audited and told to all processes. */
export class Keys {
  readonly #management: Management
  readonly #secrets: KeySecrets

  constructor(management: Management) {
    this.#management = management
    this.#secrets = new KeySecrets(management.keyStore, management.log)
  }

  /** The key in clear is in the answer, once. @throws GatewayError */
  async generate(caller: Caller, sent: NewKeyRequest, route = '/key/generate'): Promise<Record<string, unknown>> {
    const { governance, clock, settings } = this.#management
    const { defaultKeyParams, upperKeyParams, keyGeneration, keysNeedTeam } = settings()
    const own =
      caller.principal.admin || sent.team_id != null
        ? sent
        : { ...sent, user_id: sent.user_id ?? caller.principal.userId }
    const request = withTemporaryEnd(this.#management, withBounds(own, defaultKeyParams, upperKeyParams))
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
    const token = tokenOf(key)
    const stored = this.#secrets.active
      ? this.#secrets.nameOf({ token, key_alias: request.key_alias ?? null, settings: '{}' })
      : undefined
    const row: KeyRow = {
      token,
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
          ? expiresAt(this.#management, request.rotation_interval ?? defaultRotation, 'rotation_interval')
          : null,
      last_active_at: null,
      settings: mergedSettings(
        undefined,
        { ...settingsOf(request), allowed_routes: [...routes], [secretName]: stored },
        keyColumns,
      ),
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
    if (stored !== undefined) await this.#stored(caller, row, stored, key)
    // A key that was brought along may have had an earlier life.
    if (request.key != null || row.spend > 0) await assignSpend(this.#management, spenderOf(row), row.spend)
    return { ...keyObject(row), key, token: row.token, token_id: row.token }
  }

  /** @throws GatewayError */
  async update(caller: Caller, sent: UpdateKeyRequest): Promise<Record<string, unknown>> {
    const { governance, clock, settings } = this.#management
    const { upperKeyParams, keyGeneration, keysNeedTeam } = settings()
    const before = await this.#managed(caller, sent.key, '/key/update')
    const bounded = withBounds(sent, {}, presentOnly(upperKeyParams, sent))
    const request = withTemporaryEnd(this.#management, bounded)
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
          ? expiresAt(this.#management, request.rotation_interval ?? defaultRotation, 'rotation_interval')
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
    await this.#secrets.remove(rows)
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
    const before = await this.#managed(caller, key, '/key/regenerate')
    if (Object.keys(settingsOf(sent)).some(name => name !== 'duration')) {
      await this.update(caller, { ...sent, key: before.token })
    }
    const current = await this.#managed(caller, before.token, '/key/regenerate')
    const secret = sent.new_key ?? newKey()
    if (!secret.startsWith('sk-') || secret.length < 10) {
      throw new GatewayError('invalid_request', "'new_key' must begin with `sk-`.", { param: 'new_key' })
    }
    const after = await replaceSecret(this.#management, this.#secrets, caller.actor, current, {
      secret,
      oldUntil: expiresAt(this.#management, sent.grace_period ?? undefined, 'grace_period'),
      expiresAt: sent.duration == null ? current.expires_at : expiresAt(this.#management, sent.duration),
    })
    return { ...keyObject(after), key: secret, token: after.token, token_id: after.token }
  }

  /**
   * Replaces keys whose rotation is due; a key that cannot be waits for the next time. Nobody is there to be told the new
   * secret: without a secret manager that takes it, the key would be lost, so nothing is replaced then. Run under a lock.
   * @param goOn asked before each key
   * @returns keys replaced, and keys that wait for a secret manager
   */
  async rotateDue(
    actor: Actor,
    gracePeriod: string | undefined,
    goOn: () => Promise<boolean>,
  ): Promise<{ readonly replaced: number; readonly waiting: number }> {
    const { governance, clock, log } = this.#management
    const due = await governance.store.db
      .selectFrom('keys')
      .selectAll()
      .where('rotates_at', '<=', clock.epoch())
      .where('blocked', '=', 0)
      .where(eb => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', clock.epoch())]))
      .orderBy('rotates_at')
      .limit(500)
      .execute()
    if (!this.#secrets.active) return { replaced: 0, waiting: due.length }
    let replaced = 0
    for (const row of due) {
      if (!(await goOn())) break
      try {
        await replaceSecret(this.#management, this.#secrets, actor, row, {
          secret: newKey(),
          oldUntil: expiresAt(this.#management, gracePeriod, 'LITELLM_KEY_ROTATION_GRACE_PERIOD'),
          expiresAt: row.expires_at,
        })
        replaced++
      } catch (error) {
        log.warn({ err: error, key: row.token.slice(0, 16) }, 'a key could not be rotated; its secret stays')
      }
    }
    return { replaced, waiting: 0 }
  }

  /** Replaced secrets whose grace period ended long ago. */
  async forgetReplaced(): Promise<void> {
    const { governance, clock } = this.#management
    const before = clock.epoch() - 86_400_000
    await governance.store.db.deleteFrom('deprecated_keys').where('valid_until', '<', before).execute()
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

  /** A key that its user cannot fetch is no use: it goes again. @throws GatewayError 503 */
  async #stored(caller: Caller, row: KeyRow, name: string, key: string): Promise<void> {
    try {
      await this.#secrets.put(name, key)
    } catch (error) {
      await this.#management.governance.change(async trx => {
        await trx.deleteFrom('keys').where('token', '=', row.token).execute()
        return {
          result: undefined,
          audit: [this.#event(caller, 'deleted', row, keyObject(row), undefined)],
          notices: [{ kind: 'key', id: row.token }],
        }
      })
      throw error
    }
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

const spenderOf = (row: KeyRow): Spender => ({
  table: 'keys',
  key: [row.token],
  scope: 'key',
  scopeId: row.token,
  settings: row.settings,
  budgetId: row.budget_id,
  resetAt: row.budget_reset_at,
})

const nano = (dollars: number | null | undefined): number | undefined =>
  dollars == null ? undefined : parseDollars(dollars)

/** What an error may repeat of a key. */
const masked = (key: string): string => (key.startsWith('sk-') ? maskedKey(key) : key.slice(0, 64))
