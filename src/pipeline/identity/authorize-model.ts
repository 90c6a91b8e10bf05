import type { Principal } from '../../governance/authentication/principal.ts'
import { refusingLevel } from '../../governance/authorization/model-access.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Snapshot } from '../snapshot.ts'

const none: readonly string[] = []

/** What a name stands for with this caller: its own aliases first. Names come from callers: `toString` is not one. */
export const aliased = ({ aliases }: Principal, model: string): string =>
  Object.hasOwn(aliases, model) ? (aliases[model] ?? model) : model

/** Whether every level the caller belongs to grants the model, under the name asked for or the group it stands for. */
export function mayUse(snapshot: Snapshot, principal: Principal, model: string): boolean {
  return principal.modelAccess.length === 0 || refusing(snapshot, principal, model) === undefined
}

/** @throws GatewayError `model_access_denied` that names the level. */
export function authorizeModel(snapshot: Snapshot, principal: Principal, model: string): void {
  if (principal.modelAccess.length === 0) return
  const level = refusing(snapshot, principal, model)
  if (level === undefined) return
  throw new GatewayError(
    'model_access_denied',
    `This ${words[level]} may not use the model '${model.slice(0, 200)}'. GET /v1/models lists the models you can use.`,
    { param: 'model', details: { error_code: `${errorWords[level]}_model_access_denied` } },
  )
}

const words = {
  key: 'API key',
  team: 'team',
  team_member: 'team member',
  user: 'user',
  organization: 'organization',
  project: 'project',
} as const

/** LiteLLM's `type` words. */
const errorWords = {
  key: 'key',
  team: 'team',
  team_member: 'team',
  user: 'user',
  organization: 'org',
  project: 'project',
} as const

/** An alias counts as granted when what it stands for is: the operator made it. */
function refusing(snapshot: Snapshot, principal: Principal, model: string) {
  const groupsOf = (name: string): readonly string[] => snapshot.accessGroups.get(name) ?? none
  const level = refusingLevel(principal.modelAccess, model, groupsOf)
  if (level === undefined) return undefined
  const group = snapshot.router.resolve(model)
  if (group === undefined || group.name === model) return level.level
  return refusingLevel(principal.modelAccess, group.name, groupsOf)?.level
}
