import { z } from 'zod'
import type { Principal } from '../../../governance/authentication/principal.ts'
import { asToken, tokenOf } from '../../../governance/authentication/token-hash.ts'
import { type GuardedRoute, refusal } from '../../../governance/authorization/permission.ts'
import { roles } from '../../../governance/authorization/roles.ts'
import type { Management } from '../../../governance/management/management.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { mayUse } from '../../../pipeline/identity/authorize-model.ts'
import { callFacts } from '../../../pipeline/identity/call-facts.ts'
import { nobody } from '../../../pipeline/identity/nobody.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute } from '../../api-route.ts'
import { guardedRoute, matching, type Route } from '../../route.ts'

const id = z.string().min(1).max(255)

const question = z.strictObject({
  caller: z
    .strictObject({
      key: id.optional().describe('A virtual key or its hash: the caller is its holder.'),
      user_id: id.optional().describe('Without `key`: a person, with all it belongs to.'),
      team_id: id.optional(),
      organization_id: id.optional(),
      role: z.enum(roles).optional(),
      key_alias: id.optional(),
      proof: z.enum(['virtual_key', 'admin_key', 'jwt', 'oauth2', 'session', 'custom', 'public']).optional(),
    })
    .describe('What is written here wins over what the key or user has.'),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
  path: z.string().min(1).max(500).default('/v1/chat/completions').describe('As it would be called.'),
  model: id.optional(),
  tools: z.array(id).max(100).default([]).describe('Names of tools the call offers.'),
  tags: z.array(id).max(100).default([]),
  address: z.string().max(60).default('127.0.0.1'),
  at: z.iso.datetime({ offset: true }).optional().describe('Default: now.'),
})

const verdict = z.object({
  allowed: z.boolean(),
  refused_by: z.enum(['address', 'route', 'model', 'policy']).nullable().describe('The first that says no.'),
  reason: z.string().nullable(),
  policy: z.string().nullable().describe('The policy that decides; null: none holds.'),
  policies: z.array(
    z.object({
      name: z.string(),
      effect: z.enum(['allow', 'deny']),
      source: z.enum(['config', 'database']),
      dry_run: z.boolean(),
      holds: z.boolean(),
      because: z.array(z.string()).describe('Conditions that do not hold, or `unless`.'),
    }),
  ),
})

/** What a caller would get, and why; nothing is called and nothing is counted. */
export function testRoute(gateway: Gateway, management: Management, all: () => readonly Route[]): Route {
  return apiRoute({
    method: 'POST',
    permission: 'viewer',
    writes: false,
    tag: 'policies',
    paths: ['/v1/routeiq/policies/test'],
    summary: 'What a caller would be allowed, and why',
    body: question,
    response: verdict,
    async handle({ body }) {
      const route = matching(all(), body.method, body.path)
      if (route === undefined) {
        throw new GatewayError('not_found', `There is no route ${body.method} ${body.path}.`, { param: 'path' })
      }
      const principal = await callerOf(management, body.caller)
      return judge(gateway, principal, guardedRoute(route), body)
    },
  })
}

function judge(
  gateway: Gateway,
  principal: Principal,
  route: ReturnType<typeof guardedRoute>,
  { model, tools, tags, address, at }: z.output<typeof question>,
): z.input<typeof verdict> {
  const { snapshot, access } = gateway
  const named = model === undefined || !Object.hasOwn(principal.aliases, model) ? model : principal.aliases[model]
  const call =
    named === undefined || model === undefined
      ? ('none' as const)
      : callFacts(snapshot, [model, named], { tools: tools.map(name => ({ name })) }, tags)
  const when = at === undefined ? gateway.clock.epoch() : Date.parse(at)
  const { effect, policy, policies } = access.explain({ principal, route, address, call, at: when })
  const reason = atDoor(gateway, principal, route, address)
  const model_ = named !== undefined && !mayUse(snapshot, principal, named)
  const refused = reason?.by ?? (model_ ? ('model' as const) : effect === 'deny' ? ('policy' as const) : null)
  return {
    allowed: refused === null,
    refused_by: refused,
    reason:
      reason?.text ??
      (model_ ? `'${named}' is not among the models of this caller` : effect === 'deny' ? `policy '${policy}'` : null),
    policy: policy ?? null,
    policies: [...policies].map(({ because, ...rest }) => ({ ...rest, because: [...because] })),
  }
}

function atDoor(
  { access }: Gateway,
  principal: Principal,
  route: ReturnType<typeof guardedRoute>,
  address: string,
): { readonly by: 'address' | 'route'; readonly text: string } | undefined {
  const door = access.atDoor(route, address)
  if (door !== undefined) return { by: 'address', text: door.message }
  const role = refusal(principal, route satisfies GuardedRoute)
  if (role !== undefined) return { by: 'route', text: role }
  const lists = access.listed(principal, route)
  return lists === undefined ? undefined : { by: 'route', text: lists.message }
}

type Asked = z.output<typeof question>['caller']

/** @throws GatewayError 404 */
async function callerOf({ governance }: Management, asked: Asked): Promise<Principal> {
  const base = await knownCaller(governance, asked)
  const role = asked.role ?? base.role
  return {
    ...base,
    role,
    admin: role === 'proxy_admin',
    proof: asked.proof ?? base.proof,
    teamId: asked.team_id ?? base.teamId,
    organizationId: asked.organization_id ?? base.organizationId,
    keyAlias: asked.key_alias ?? base.keyAlias,
    userId: asked.user_id ?? base.userId,
  }
}

async function knownCaller(governance: Management['governance'], asked: Asked): Promise<Principal> {
  const { key, user_id: userId, team_id: teamId, organization_id: organizationId } = asked
  if (key !== undefined) {
    const { principal } = await governance.principals.find(asToken(key))
    if (principal === undefined) throw new GatewayError('not_found', 'There is no such key.', { param: 'caller.key' })
    return principal
  }
  if (userId === undefined) return { ...nobody, proof: 'virtual_key' }
  const subject = { proof: 'session', token: tokenOf(`test:${userId}`), userId, teamId, organizationId } as const
  const { principal } = await governance.principalOf(subject)
  return principal ?? nobody
}
