import type { Kysely } from 'kysely'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { KeyRow, Tables, TeamRow, UserRow } from '../../platform/store/tables.ts'
import type { Actor } from '../audit/audit-log.ts'
import { compilePrincipal, type Subject } from './compile-principal.ts'
import type { ControlPlane } from './control-plane.ts'
import { type Denial, denialOf, joinSubject, lookUpKey } from './lookup.ts'
import { findPerson, type Newcomers, Provisioning } from './people.ts'
import type { Principal } from './principal.ts'
import { type TeamChoice, teamOf } from './team-choice.ts'
import { notAdmitted, tokenExpired } from './token-errors.ts'
import { newKey, tokenOf } from './token-hash.ts'
import type { TokenIdentity } from './token-identity.ts'

export interface Admitted {
  readonly principal: Principal
  /** Ids of further teams the bearer may act for, in the token's order. */
  readonly otherTeams: readonly string[]
}

export interface AdmissionServices {
  readonly plane: ControlPlane
  readonly newcomers: Newcomers
  /** Epoch ms. */
  readonly now: number
}

/**
 * Who the bearer is here: the key its claim stands for, or the user, team and organization it names, created where the
 * configuration says so.
 * @throws GatewayError `permission_denied`, `key_blocked`, `expired_key`
 */
export async function admitIdentity(
  services: AdmissionServices,
  identity: TokenIdentity,
  requestedTeam: string | undefined,
): Promise<Admitted> {
  const { db } = services.plane.store
  const mapped = identity.keyClaim === undefined ? undefined : await mappedKey(db, identity, services.now)
  if (mapped !== undefined) return { principal: compiled(mapped, identity, services.now), otherTeams: [] }
  if (identity.keyClaim?.unregistered === 'reject') {
    throw notAdmitted(
      `No virtual key is registered for this token's '${identity.keyClaim.name}' (/jwt/key/mapping/new).`,
    )
  }
  if (namesNobody(identity)) throw notAdmitted('This token names neither a user nor a team that may call here.')
  const user = await userOf(services, identity)
  const choice = await teamOf(services, identity, user?.user_id, requestedTeam)
  await provision(services, identity, user, choice)
  const organizationId = await organizationOf(db, identity)
  if (identity.keyClaim?.unregistered === 'auto_register' && identity.role !== 'proxy_admin') {
    const key = await registerKey(services, identity, user, choice.team)
    return { principal: compiled(key, identity, services.now), otherTeams: [] }
  }
  const userId = user?.user_id ?? identity.userId
  const subject = await joinSubject(
    db,
    {
      proof: identity.proof,
      token: identity.subject,
      userId,
      teamId: choice.team?.team_id,
      organizationId,
      claims: claimsOf(identity, user),
    },
    identity.keyFields === undefined ? undefined : broughtAlong(identity, userId, choice.team),
  )
  const principal = compiled(subject, identity, services.now)
  const unknownTeam = identity.rules.unknownUser === 'admit' && choice.team === undefined ? identity.teamId : undefined
  return {
    // A user or team without a row keeps its name, so that its spend has one.
    principal: {
      ...principal,
      userId: principal.userId ?? userId,
      teamId: principal.teamId ?? unknownTeam,
      agentId: identity.agentId ?? principal.agentId,
    },
    otherTeams: choice.others,
  }
}

const namesNobody = ({ role, userId, userEmail, teamId, teamAlias, teamIds }: TokenIdentity): boolean =>
  role !== 'proxy_admin' &&
  userId === undefined &&
  userEmail === undefined &&
  teamId === undefined &&
  teamAlias === undefined &&
  teamIds.length === 0

function compiled(subject: Subject, identity: TokenIdentity, now: number): Principal {
  const denial = denialOf(subject, now)
  if (denial === 'expired') throw tokenExpired()
  if (denial !== undefined) throw new GatewayError('key_blocked', blocked[denial])
  return { ...compilePrincipal(subject), proof: identity.proof }
}

const blocked: Readonly<Record<Exclude<Denial, 'expired'>, string>> = {
  key_blocked: 'The virtual key that stands for this token is blocked.',
  team_blocked: 'The team of this token is blocked.',
  user_blocked: 'The user of this token is blocked.',
  project_blocked: 'The project of this token is blocked.',
}

const claimsOf = (identity: TokenIdentity, user: UserRow | undefined): NonNullable<Subject['claims']> => ({
  ...(identity.role === undefined ? (user === undefined ? { role: 'internal_user' } : {}) : { role: identity.role }),
  ...(identity.endUserId === undefined ? {} : { endUserId: identity.endUserId }),
  ...(identity.expiresAt === undefined ? {} : { expiresAt: identity.expiresAt }),
  ...(identity.routes.length === 0 ? {} : { allowedRoutes: identity.routes }),
  ...(identity.userEmail === undefined || user?.user_email != null ? {} : { userEmail: identity.userEmail }),
  ...(identity.models === undefined ? {} : { models: identity.models }),
})

async function userOf(
  { plane, newcomers, now }: AdmissionServices,
  identity: TokenIdentity,
): Promise<UserRow | undefined> {
  const { userId, userEmail: email, emailVerified, rules } = identity
  if (userId === undefined && email === undefined) return undefined
  const user = await findPerson(plane.store.db, { userId, email, emailVerified })
  if (user !== undefined || identity.role === 'proxy_admin') return user
  if (!rules.upsertUser) {
    if (rules.unknownUser === 'admit') return undefined
    throw notAdmitted(
      'The user of this token does not exist here. Create it, or set user_id_upsert in litellm_jwtauth.',
    )
  }
  return plane.change(async trx => {
    const provisioning = new Provisioning(trx, actorOf(identity), now)
    const role =
      rules.sync?.role ?? (newcomers.userRole === 'internal_user_viewer' ? 'internal_user' : newcomers.userRole)
    const result = await provisioning.createUser({ userId, email, ssoUserId: userId, role }, newcomers.userSettings)
    return { result, audit: provisioning.audit, notices: provisioning.notices }
  })
}

/** Memberships and role as the token says, where that is asked for; a bearer of a team belongs to it. */
async function provision(
  { plane, now }: AdmissionServices,
  identity: TokenIdentity,
  user: UserRow | undefined,
  choice: TeamChoice,
): Promise<void> {
  const { sync } = identity.rules
  if (user === undefined || identity.proof !== 'jwt' || identity.role === 'proxy_admin') return
  const member = choice.claimed && choice.team !== undefined && !(await isMember(plane.store.db, user, choice.team))
  if (sync === undefined && !member) return
  await plane.change(async trx => {
    const provisioning = new Provisioning(trx, actorOf(identity), now)
    if (sync?.role !== undefined) await provisioning.updateUser(user, { user_role: sync.role })
    if (sync !== undefined && !(sync.teamIds.length === 0 && identity.rules.memberships === 'any')) {
      await provisioning.setTeams(user.user_id, sync.teamIds, 'jwt', true)
    }
    if (member && choice.team !== undefined) await provisioning.addToTeam(user.user_id, choice.team.team_id, 'jwt')
    return { result: undefined, audit: provisioning.audit, notices: provisioning.notices }
  })
}

async function isMember(db: Kysely<Tables>, user: UserRow, team: TeamRow): Promise<boolean> {
  const row = await db
    .selectFrom('team_members')
    .select('user_id')
    .where('team_id', '=', team.team_id)
    .where('user_id', '=', user.user_id)
    .executeTakeFirst()
  return row !== undefined
}

async function organizationOf(db: Kysely<Tables>, identity: TokenIdentity): Promise<string | undefined> {
  const { organizationId, organizationAlias } = identity
  if (organizationId !== undefined || organizationAlias === undefined) return organizationId
  const rows = await db
    .selectFrom('organizations')
    .select('organization_id')
    .where('organization_alias', '=', organizationAlias)
    .limit(2)
    .execute()
  const [only] = rows
  if (only === undefined || rows.length > 1) {
    throw notAdmitted(
      'The organization this token names (org_alias_jwt_field) does not exist here, or is not the only one of its name.',
    )
  }
  return only.organization_id
}

async function mappedKey(db: Kysely<Tables>, identity: TokenIdentity, now: number): Promise<Subject | undefined> {
  if (identity.keyClaim === undefined) return undefined
  const mapping = await db
    .selectFrom('jwt_key_mappings')
    .select('token')
    .where('claim_name', '=', identity.keyClaim.name)
    .where('claim_value', '=', identity.keyClaim.value)
    .where('active', '=', 1)
    .executeTakeFirst()
  if (mapping === undefined) return undefined
  const subject = await lookUpKey(db, mapping.token, now)
  if (subject === undefined) throw notAdmitted('The virtual key that is registered for this token no longer exists.')
  const { expiresAt, endUserId } = identity
  return {
    ...subject,
    claims: { ...(expiresAt === undefined ? {} : { expiresAt }), ...(endUserId === undefined ? {} : { endUserId }) },
  }
}

/** A virtual key nobody knows in clear: only this token's claim leads to it. */
async function registerKey(
  { plane, now }: AdmissionServices,
  identity: TokenIdentity,
  user: UserRow | undefined,
  team: TeamRow | undefined,
): Promise<Subject> {
  const { keyClaim } = identity
  if (keyClaim === undefined) throw notAdmitted('This token has no claim to register a key for.')
  await plane.change(async trx => {
    const key = newKey()
    const actor = actorOf(identity)
    const stamps = { created_at: now, created_by: actor.name, updated_at: now, updated_by: actor.name }
    const token = tokenOf(key)
    const mapping = await trx
      .insertInto('jwt_key_mappings')
      .values({
        id: tokenOf(`${keyClaim.name}\0${keyClaim.value}`),
        claim_name: keyClaim.name,
        claim_value: keyClaim.value,
        token,
        active: 1,
        settings: JSON.stringify({ description: 'registered by its first call' }),
        ...stamps,
      })
      .onConflict(on => on.doNothing())
      .executeTakeFirst()
    if ((mapping.numInsertedOrUpdatedRows ?? 0n) === 0n) return { result: undefined, audit: [], notices: [] }
    await trx
      .insertInto('keys')
      .values({
        ...blankKey(token),
        key_name: 'sk-...jwt',
        user_id: user?.user_id ?? identity.userId ?? null,
        team_id: team?.team_id ?? null,
        organization_id: identity.organizationId ?? null,
        settings: JSON.stringify({ metadata: { jwt_claim: keyClaim.name } }),
        ...stamps,
      })
      .execute()
    return {
      result: undefined,
      audit: [
        { actor, action: 'created', objectKind: 'key', objectId: token, after: { registered_for: keyClaim.name } },
      ],
      notices: [{ kind: 'key', id: token }],
    }
  })
  const subject = await mappedKey(plane.store.db, identity, now)
  if (subject === undefined)
    throw notAdmitted('The mapping of this token to a virtual key is switched off (is_active).')
  return subject
}

/** Limits and metadata that a custom module gives with an identity act like those of a key. */
const broughtAlong = (identity: TokenIdentity, userId: string | undefined, team: TeamRow | undefined): KeyRow => ({
  ...blankKey(identity.subject),
  key_alias: typeof identity.keyFields?.['key_alias'] === 'string' ? identity.keyFields['key_alias'] : null,
  user_id: userId ?? null,
  team_id: team?.team_id ?? null,
  organization_id: identity.organizationId ?? null,
  agent_id: identity.agentId ?? null,
  expires_at: identity.expiresAt ?? null,
  settings: JSON.stringify(identity.keyFields ?? {}),
})

const blankKey = (token: string): KeyRow => ({
  token,
  key_name: 'sk-...',
  key_alias: null,
  user_id: null,
  team_id: null,
  organization_id: null,
  project_id: null,
  agent_id: null,
  budget_id: null,
  spend: 0,
  budget_reset_at: null,
  expires_at: null,
  blocked: 0,
  rotates_at: null,
  last_active_at: null,
  settings: '{}',
  created_at: 0,
  created_by: null,
  updated_at: 0,
  updated_by: null,
})

const actorOf = (identity: TokenIdentity): Actor => ({
  name: `${identity.proof}:${identity.userId ?? identity.teamId ?? identity.subject.slice(0, 16)}`,
  token: identity.subject,
  address: undefined,
})
