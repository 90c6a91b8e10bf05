import type { Principal, Proof } from '../../authentication/principal.ts'
import { roles } from '../roles.ts'
import { type RouteFacts, routeAllowed } from '../route-groups.ts'
import { AddressList } from './address-list.ts'
import { nameList } from './pattern.ts'
import { type PolicyConditions, PolicyInvalid } from './policy.ts'
import { timeWindows } from './times.ts'

/** What is known of a call once its body is read. */
export interface CallFacts {
  /** The name asked for, and those it stands for. */
  readonly models: readonly string[]
  /** Model groups that a virtual name may send the call to; the name itself is among `models`. Default: it is no such name. */
  readonly choices?: readonly string[]
  readonly tools: readonly string[]
  readonly tags: readonly string[]
}

export interface AccessQuestion {
  readonly principal: Principal
  readonly route: RouteFacts
  /** Trusted proxies taken into account. */
  readonly address: string
  /** Epoch ms. */
  readonly at: number
  /** `ahead`: the body is not read yet. `none`: a route that calls no model. */
  readonly call: CallFacts | 'ahead' | 'none'
}

/** Undefined: not known before the body is read. */
export type Verdict = boolean | undefined

export interface Condition {
  /** Field of the policy. */
  readonly name: string
  readonly holds: (question: AccessQuestion) => Verdict
}

const proofs = [
  'master_key',
  'admin_key',
  'virtual_key',
  'jwt',
  'oauth2',
  'session',
  'custom',
  'public',
] as const satisfies readonly Proof[]

/** The conditions that are written, cheapest first. @throws PolicyInvalid */
export function compileConditions(
  written: PolicyConditions,
  effect: 'allow' | 'deny',
  prefix = '',
): readonly Condition[] {
  const conditions: Condition[] = []
  const add = (name: keyof PolicyConditions, holds: Condition['holds']): void => {
    conditions.push({ name: prefix + name, holds })
  }
  const list = (name: keyof PolicyConditions): readonly string[] | undefined => {
    const entries = written[name] as readonly string[] | undefined
    // An empty list would hold for nobody, or by mistake for everybody; neither was meant.
    if (entries?.length === 0) throw new PolicyInvalid(prefix + name, 'is empty; leave it out to hold for all')
    return entries
  }
  const known = (name: keyof PolicyConditions, words: readonly string[]): readonly string[] | undefined => {
    const entries = list(name)
    const stray = entries?.find(entry => !words.includes(entry))
    if (stray === undefined) return entries
    throw new PolicyInvalid(prefix + name, `does not know ${JSON.stringify(stray)}; it knows ${words.join(', ')}`)
  }
  const ofRoles = known('roles', roles)
  if (ofRoles !== undefined) add('roles', ({ principal }) => ofRoles.includes(principal.role))
  const ofProofs = known('proofs', proofs)
  if (ofProofs !== undefined) add('proofs', ({ principal }) => ofProofs.includes(principal.proof))
  const users = list('users')
  if (users !== undefined)
    add(
      'users',
      oneName(nameList(users), ({ userId }) => userId),
    )
  const organizations = list('organizations')
  if (organizations !== undefined)
    add(
      'organizations',
      oneName(nameList(organizations), ({ organizationId }) => organizationId),
    )
  const teams = list('teams')
  if (teams !== undefined) add('teams', inTeam(nameList(teams)))
  const keys = list('keys')
  if (keys !== undefined) add('keys', withKey(nameList(keys)))
  const routes = list('routes')
  if (routes !== undefined) add('routes', ({ route }) => routeAllowed(routes, route))
  const addresses = list('addresses')
  if (addresses !== undefined) {
    const known = new AddressList(addresses, `${prefix}addresses`)
    add('addresses', ({ address }) => known.includes(address))
  }
  const { times } = written
  if (times?.length === 0) throw new PolicyInvalid(`${prefix}times`, 'is empty; leave it out to hold at all times')
  if (times !== undefined) {
    const inside = timeWindows(times, `${prefix}times`)
    add('times', ({ at }) => inside(at))
  }
  const models = list('models')
  if (models !== undefined) {
    const fits = nameList(models)
    // Where a name stands for a choice, what is not allowed must not be chosen beside what is.
    const among = effect === 'allow' ? 'every' : 'some'
    add(
      'models',
      ofCall(({ models: own, choices = [] }) => own.some(fits) || (choices.length > 0 && choices[among](fits))),
    )
  }
  const tools = list('tools')
  if (tools !== undefined) {
    const fits = nameList(tools)
    // Whatever is not allowed must not slip in beside what is.
    const among = effect === 'allow' ? 'every' : 'some'
    add(
      'tools',
      ofCall(call => call.tools.length > 0 && call.tools[among](fits)),
    )
  }
  const tags = list('tags')
  if (tags !== undefined) {
    const fits = nameList(tags)
    add(
      'tags',
      ofCall(call => call.tags.some(fits)),
    )
  }
  return conditions
}

/** All must hold: one that does not decides, whatever is not known yet. */
export function all(conditions: readonly Condition[], question: AccessQuestion): Verdict {
  let verdict: Verdict = true
  for (const { holds } of conditions) {
    const one = holds(question)
    if (one === false) return false
    if (one === undefined) verdict = undefined
  }
  return verdict
}

const oneName =
  (fits: (name: string) => boolean, of: (principal: Principal) => string | undefined): Condition['holds'] =>
  ({ principal }) => {
    const name = of(principal)
    return name !== undefined && fits(name)
  }

const inTeam =
  (fits: (name: string) => boolean): Condition['holds'] =>
  ({ principal: { teamId, memberOfTeams } }) => {
    if (teamId !== undefined) return fits(teamId)
    for (const id of memberOfTeams.keys()) if (fits(id)) return true
    return false
  }

const withKey =
  (fits: (name: string) => boolean): Condition['holds'] =>
  ({ principal: { keyAlias, token } }) =>
    fits(token) || (keyAlias !== undefined && fits(keyAlias))

const ofCall =
  (holds: (call: CallFacts) => boolean): Condition['holds'] =>
  ({ call }) => {
    if (call === 'ahead') return undefined
    return call !== 'none' && holds(call)
  }
