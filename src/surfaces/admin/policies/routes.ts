import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import { Policies, type SentPolicy } from '../../../governance/management/policies/policies.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import { accessPolicy } from '../../../platform/config/access-settings.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { testRoute } from './test-route.ts'

/** Unknown fields are refused: a condition that was misspelt would make a rule wider than it reads. */
const sent = accessPolicy.extend({
  position: z.int().optional().describe('Lower is looked at first. Default: last.'),
})
const stored = z.looseObject({
  policy_id: z.string().nullable(),
  name: z.string(),
  effect: z.enum(['allow', 'deny']),
  source: z.enum(['config', 'database']),
})
type Shown = z.input<typeof stored>

const byId = z.object({ id: z.string().min(1).max(255).describe('Id or name.') })

/** Access policies: those of the configuration are shown, those of the database are managed. */
export function policyRoutes(gateway: Gateway, management: Management, all: () => readonly Route[]): Route[] {
  const policies = new Policies(management)
  const write = { tag: 'policies', permission: 'admin' } as const
  const read = { tag: 'policies', method: 'GET', permission: 'viewer' } as const
  const paths = ['/v1/routeiq/policies']
  const one = ['/v1/routeiq/policies/:id']
  return [
    apiRoute({
      ...read,
      paths,
      summary: 'All policies, in the order they are looked at',
      response: z.object({ data: z.array(stored) }),
      handle: async () => ({ data: [...configured(gateway), ...((await policies.list()) as Shown[])] }),
    }),
    apiRoute({
      ...write,
      method: 'POST',
      paths,
      summary: 'Make a policy',
      description: 'In force at once, on every replica.',
      body: sent,
      response: stored,
      status: 201,
      handle: ({ body, ...caller }) => policies.create(caller, body as SentPolicy) as Promise<Shown>,
    }),
    testRoute(gateway, management, all),
    apiRoute({
      ...read,
      paths: one,
      summary: 'A policy of the database',
      params: byId,
      response: stored,
      handle: ({ params }) => policies.get(params.id) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      method: 'PUT',
      paths: one,
      summary: 'Replace a policy of the database',
      params: byId,
      body: sent,
      response: stored,
      handle: ({ params, body, ...caller }) =>
        policies.replace(caller, params.id, body as SentPolicy) as Promise<Shown>,
    }),
    apiRoute({
      ...write,
      method: 'DELETE',
      paths: one,
      summary: 'Delete a policy of the database',
      params: byId,
      response: stored,
      handle: ({ params, ...caller }) => policies.delete(caller, params.id) as Promise<Shown>,
    }),
  ]
}

const configured = ({ snapshot }: Gateway): Shown[] =>
  (snapshot.loaded.config.routeiq.access_policies ?? []).map((policy, position) => ({
    policy_id: null,
    position,
    enabled: true,
    dry_run: false,
    ...policy,
    source: 'config' as const,
  }))
