import { parseDollars } from '../../platform/money.ts'
import type {
  AccessGroupRow,
  BudgetRow,
  KeyRow,
  OrganizationMemberRow,
  OrganizationRow,
  ProjectRow,
  TeamMemberRow,
  TeamRow,
  UserRow,
} from '../../platform/store/tables.ts'
import { specialModels } from '../authorization/model-access.ts'
import { isRole, type Role } from '../authorization/roles.ts'
import type { LimitRule, Scope } from '../limits/limit-rule.ts'
import { rulesOf } from '../limits/rules.ts'
import { numberOf, parseSettings, recordOf, type Settings, textsOf } from '../objects/settings.ts'
import type { ModelAccess, Principal, Proof } from './principal.ts'

/** The rows that say who a caller is, joined. Any may be missing: a key needs no team, a token no key. */
export interface Subject {
  readonly proof: Proof
  readonly token: string
  readonly key: KeyRow | undefined
  readonly user: UserRow | undefined
  readonly team: TeamRow | undefined
  /** Every membership of the user. */
  readonly memberships: readonly TeamMemberRow[]
  readonly organization: OrganizationRow | undefined
  readonly organizationMemberships: readonly OrganizationMemberRow[]
  readonly project: ProjectRow | undefined
  /** Budgets that any of these rows points to, by id. */
  readonly budgets: ReadonlyMap<string, BudgetRow>
  readonly accessGroups: readonly AccessGroupRow[]
  /** What a token's claims say; they win over the rows. */
  readonly claims?: Partial<Pick<Principal, 'role' | 'endUserId' | 'expiresAt' | 'allowedRoutes' | 'userEmail'>> & {
    readonly models?: readonly string[]
  }
}

/** Joins what is known of a caller into the one object later stages ask. Pure. */
export function compilePrincipal(subject: Subject): Principal {
  const { key, user, team, organization, project, claims } = subject
  const keySettings = parseSettings(key?.settings)
  const teamSettings = parseSettings(team?.settings)
  const userSettings = parseSettings(user?.settings)
  const role = claims?.role ?? roleOf(subject)
  const membership = subject.memberships.find(member => member.team_id === team?.team_id)
  return {
    proof: subject.proof,
    token: subject.token,
    keyHash: subject.token.slice(0, 16),
    role,
    admin: role === 'proxy_admin',
    keyAlias: key?.key_alias ?? undefined,
    userId: key?.user_id ?? user?.user_id ?? undefined,
    userEmail: claims?.userEmail ?? user?.user_email ?? undefined,
    teamId: team?.team_id ?? key?.team_id ?? undefined,
    teamAlias: team?.team_alias ?? undefined,
    organizationId: key?.organization_id ?? team?.organization_id ?? organization?.organization_id ?? undefined,
    projectId: key?.project_id ?? project?.project_id ?? undefined,
    agentId: key?.agent_id ?? undefined,
    endUserId: claims?.endUserId,
    adminOfTeams: subject.memberships.filter(member => member.role === 'admin').map(member => member.team_id),
    adminOfOrganizations: subject.organizationMemberships
      .filter(member => member.user_role === 'org_admin')
      .map(member => member.organization_id),
    memberOfTeams: new Map(
      subject.memberships.map(member => [member.team_id, textsOf(parseSettings(member.settings), 'permissions')]),
    ),
    allowedRoutes: claims?.allowedRoutes ?? textsOf(keySettings, 'allowed_routes'),
    modelAccess: modelAccess(subject, keySettings, teamSettings, userSettings, membership),
    aliases: { ...texts(recordOf(teamSettings, 'model_aliases')), ...texts(recordOf(keySettings, 'aliases')) },
    limits: role === 'proxy_admin' && key === undefined ? [] : limitRules(subject, membership),
    tags: [
      ...new Set([
        ...textsOf(recordOf(teamSettings, 'metadata'), 'tags'),
        ...textsOf(keySettings, 'tags'),
        ...textsOf(recordOf(keySettings, 'metadata'), 'tags'),
      ]),
    ],
    metadata: { ...recordOf(teamSettings, 'metadata'), ...recordOf(keySettings, 'metadata') },
    enforcedParams: [
      ...textsOf(keySettings, 'enforced_params'),
      ...textsOf(recordOf(keySettings, 'metadata'), 'enforced_params'),
    ],
    expiresAt: earliest(key?.expires_at ?? undefined, claims?.expiresAt),
    keyLimits: {
      tpm: numberOf(keySettings, 'tpm_limit'),
      rpm: numberOf(keySettings, 'rpm_limit'),
      maxBudget: dollars(keySettings, 'max_budget'),
    },
  }
}

/** A key speaks with its user's role; a key without a user only calls models and reads of itself. */
function roleOf({ user, key, organizationMemberships }: Subject): Role {
  const role = user?.user_role
  if (isRole(role)) {
    return role === 'internal_user' && organizationMemberships.some(member => member.user_role === 'org_admin')
      ? 'org_admin'
      : role
  }
  return key === undefined ? 'internal_user_viewer' : 'internal_user'
}

function modelAccess(
  { key, user, team, organization, project, accessGroups, claims }: Subject,
  keySettings: Settings,
  teamSettings: Settings,
  userSettings: Settings,
  membership: TeamMemberRow | undefined,
): readonly ModelAccess[] {
  const groupModels = (ids: readonly string[]): readonly string[] =>
    accessGroups
      .filter(group => ids.includes(group.access_group_id))
      .flatMap(group => textsOf(parseSettings(group.settings), 'access_model_names'))
  const assigned = (kind: 'assigned_team_ids' | 'assigned_key_ids', id: string | undefined): readonly string[] =>
    id === undefined
      ? []
      : accessGroups
          .filter(group => textsOf(parseSettings(group.settings), kind).includes(id))
          .flatMap(group => textsOf(parseSettings(group.settings), 'access_model_names'))
  const levels: ModelAccess[] = []
  const add = (level: ModelAccess['level'], id: string, models: readonly string[], narrowed = false): void => {
    const named = models.filter(model => model !== specialModels.none)
    const all = named.includes(specialModels.all) || named.includes('*')
    // Narrowed to access groups that are gone or empty: nothing is left, which is not everything.
    if ((models.length > 0 || narrowed) && !all) levels.push({ level, id, models: named })
  }
  const ofTeam = [
    ...textsOf(teamSettings, 'models'),
    ...groupModels(textsOf(teamSettings, 'access_group_ids')),
    ...assigned('assigned_team_ids', team?.team_id),
  ]
  if (key !== undefined) {
    const own = textsOf(keySettings, 'models')
    const models = [
      ...own.filter(model => model !== specialModels.team),
      ...groupModels(textsOf(keySettings, 'access_group_ids')),
      ...assigned('assigned_key_ids', key.token),
    ]
    // `all-team-models` without a team grants nothing.
    if (own.includes(specialModels.team)) {
      if (team === undefined) add('key', key.token, [...models, specialModels.none])
      else if (ofTeam.length > 0 && models.length > 0) add('key', key.token, [...models, ...ofTeam])
    } else add('key', key.token, models, textsOf(keySettings, 'access_group_ids').length > 0)
  }
  if (claims?.models !== undefined) add('key', 'token', claims.models)
  if (team !== undefined) {
    add('team', team.team_id, ofTeam, textsOf(teamSettings, 'access_group_ids').length > 0)
  }
  if (membership !== undefined) {
    add(
      'team_member',
      `${membership.team_id}/${membership.user_id}`,
      textsOf(parseSettings(membership.settings), 'models'),
    )
  }
  // A key of a team is the team's: the personal list of its user does not narrow it (LiteLLM's rule).
  if (user !== undefined && team === undefined) add('user', user.user_id, textsOf(userSettings, 'models'))
  if (organization !== undefined) {
    add('organization', organization.organization_id, textsOf(parseSettings(organization.settings), 'models'))
  }
  if (project !== undefined) add('project', project.project_id, textsOf(parseSettings(project.settings), 'models'))
  return levels
}

function limitRules(subject: Subject, membership: TeamMemberRow | undefined): readonly LimitRule[] {
  const { key, user, team, organization, project, budgets } = subject
  const rules: LimitRule[] = []
  const add = (
    scope: Scope,
    id: string,
    row: { readonly settings?: string; readonly budget_id: string | null; readonly budget_reset_at: number | null },
    adapt: (rule: LimitRule) => LimitRule = rule => rule,
  ): void => {
    const budget = row.budget_id === null ? undefined : budgets.get(row.budget_id)
    // What the object says itself wins over its budget tier.
    const settings = { ...parseSettings(budget?.settings), ...defined(parseSettings(row.settings)) }
    rules.push(...rulesOf(scope, id, settings, row.budget_reset_at ?? undefined).map(adapt))
  }
  if (organization !== undefined) add('organization', organization.organization_id, organization)
  if (team !== undefined) add('team', team.team_id, team)
  if (membership !== undefined) add('team_member', `${membership.team_id}/${membership.user_id}`, membership)
  // A key of a team keeps to the team's budget, not to the personal one of its user, whose `spend` counts the call all the
  // same (LiteLLM's rule); the user's rates hold for all its keys.
  const paidByTeam = (rule: LimitRule): LimitRule => (rule.metric === 'budget' ? { ...rule, countOnly: true } : rule)
  if (user !== undefined) add('user', user.user_id, user, team === undefined ? undefined : paidByTeam)
  if (project !== undefined) add('project', project.project_id, project)
  if (key !== undefined) add('key', key.token, key)
  return rules
}

const defined = (settings: Settings): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null && value !== undefined))

const texts = (record: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))

const dollars = (settings: Settings, name: string): number | undefined => {
  const value = numberOf(settings, name)
  return value === undefined ? undefined : parseDollars(value)
}

const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b)
