import { z } from 'zod'
import { asToken } from '../../../governance/authentication/token-hash.ts'
import { newKeyRequest, updateKeyRequest } from '../../../governance/management/keys/key-fields.ts'
import { keySorts, listAliases, listKeys, shownKeys } from '../../../governance/management/keys/key-list.ts'
import { Keys } from '../../../governance/management/keys/keys.ts'
import type { Management } from '../../../governance/management/management.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { type ApiRoute, apiRoute, pageNumber, pageSize, queryFlag } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const tag = 'keys'
const groups = ['key_management_routes', 'management_routes'] as const
const readGroups = ['key_management_routes', 'management_routes', 'info_routes'] as const

/** A key object; see docs/keys.md for its fields. */
const keyObject = z.looseObject({
  token: z.string(),
  key_name: z.string(),
  key_alias: z.string().nullable(),
  spend: z.number(),
  max_budget: z.number().nullable(),
  expires: z.string().nullable(),
  models: z.array(z.string()),
  user_id: z.string().nullable(),
  team_id: z.string().nullable(),
  blocked: z.boolean(),
})
const generatedKey = keyObject.extend({ key: z.string(), token_id: z.string() })
const keyOf = z.object({ key: z.string().min(1).max(500) })

export function keyRoutes(management: Management): Route[] {
  const keys = new Keys(management)
  const { db } = management.governance.store
  const write = { tag, groups, method: 'POST', permission: 'self' } as const
  const read = { tag, groups: readGroups, method: 'GET', permission: 'self' } as const
  return [
    apiRoute({
      ...write,
      paths: ['/key/generate'],
      summary: 'Make a key',
      description: 'The key in clear is in this answer only.',
      body: newKeyRequest,
      response: generatedKey,
      handle: ({ body, ...caller }) => keys.generate(caller, body) as Promise<z.input<typeof generatedKey>>,
    }),
    apiRoute({
      ...write,
      paths: ['/key/service-account/generate'],
      summary: 'Make a key that belongs to a team and to no person',
      body: newKeyRequest.extend({ team_id: z.string().min(1) }),
      response: generatedKey,
      handle: ({ body, ...caller }) => {
        const metadata = {
          ...body.metadata,
          service_account_id: body.metadata?.['service_account_id'] ?? body.key_alias,
        }
        return keys.generate(
          caller,
          { ...body, user_id: undefined, metadata },
          '/key/service-account/generate',
        ) as Promise<z.input<typeof generatedKey>>
      },
    }),
    apiRoute({
      ...write,
      paths: ['/key/update'],
      summary: 'Change a key',
      body: updateKeyRequest,
      response: keyObject,
      handle: async ({ body, ...caller }) => {
        const updated = await keys.update(caller, body)
        return { key: body.key, ...updated } as unknown as z.input<typeof keyObject>
      },
    }),
    bulkUpdate(keys, '/key/bulk_update'),
    apiRoute({
      ...write,
      paths: ['/key/delete'],
      summary: 'Delete keys',
      body: z
        .object({ keys: z.array(z.string()).max(1000).nullish(), key_aliases: z.array(z.string()).max(1000).nullish() })
        .refine(body => (body.keys?.length ?? 0) + (body.key_aliases?.length ?? 0) > 0, 'give keys or key_aliases'),
      response: z.object({ deleted_keys: z.array(z.string()) }),
      handle: async ({ body, ...caller }) => {
        await keys.delete(caller, body.keys ?? [], body.key_aliases ?? [])
        return { deleted_keys: [...(body.keys ?? []), ...(body.key_aliases ?? [])] }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/key/regenerate', '/key/:key/regenerate'],
      summary: 'Replace the secret of a key; settings and spend stay',
      params: z.object({ key: z.string().optional() }),
      body: updateKeyRequest.extend({
        key: z.string().nullish(),
        new_key: z.string().max(500).nullish(),
        grace_period: z.string().max(20).nullish().meta({ description: 'How long the old secret still works: `24h`.' }),
        new_master_key: z.string().nullish().meta({ description: 'Refused: see docs/governance.md.' }),
      }),
      response: generatedKey,
      handle: ({ params, body, ...caller }) => {
        if (body.new_master_key != null) throw masterKeyIsConfigured()
        const key = params.key ?? body.key
        if (key == null) throw new GatewayError('missing_field', "'key' is required.", { param: 'key' })
        const { key: _named, new_master_key: _refused, ...changes } = body
        return keys.regenerate(caller, key, changes) as Promise<z.input<typeof generatedKey>>
      },
    }),
    apiRoute({
      ...write,
      paths: ['/key/:key/reset_spend'],
      summary: 'Set what a key has spent',
      params: keyOf,
      body: z.object({ reset_to: z.number().min(0).default(0) }),
      response: keyObject,
      handle: ({ params, body, ...caller }) =>
        keys.resetSpend(caller, params.key, body.reset_to) as Promise<z.input<typeof keyObject>>,
    }),
    apiRoute({
      ...write,
      writes: false,
      paths: ['/key/health'],
      summary: 'Whether the integrations that the calling key names are in order',
      response: z.object({
        key: z.enum(['healthy', 'unhealthy']),
        logging_callbacks: z
          .object({ callbacks: z.array(z.string()), status: z.enum(['healthy', 'unhealthy']), details: z.string() })
          .nullable(),
      }),
      handle: ({ principal }) => healthOf(principal.metadata['logging']),
    }),
    ...(['block', 'unblock'] as const).map(verb =>
      apiRoute({
        ...write,
        paths: [`/key/${verb}`],
        summary: verb === 'block' ? 'Block a key' : 'Lift a block',
        body: keyOf,
        response: keyObject,
        handle: ({ body, ...caller }) =>
          keys.setBlocked(caller, body.key, verb === 'block') as Promise<z.input<typeof keyObject>>,
      }),
    ),
    apiRoute({
      ...read,
      paths: ['/key/info'],
      summary: 'What is known of a key; without `key`, of the one you call with',
      query: z.object({ key: z.string().max(500).optional() }),
      response: z.object({ key: z.string(), info: keyObject }),
      handle: async ({ query, ...caller }) => {
        const { row, info } = await keys.info(caller, query.key ?? caller.principal.token)
        return { key: query.key ?? row.token, info: info as z.input<typeof keyObject> }
      },
    }),
    apiRoute({
      ...read,
      method: 'POST',
      writes: false,
      paths: ['/v2/key/info'],
      summary: 'The same for several keys',
      body: z.object({ keys: z.array(z.string().max(500)).min(1).max(200) }),
      response: z.object({ key: z.array(z.string()), info: z.array(keyObject) }),
      handle: async ({ body, ...caller }) => {
        const found = await Promise.all(body.keys.map(key => keys.info(caller, key).catch(ifMissing)))
        return {
          key: body.keys.filter((_, index) => found[index] !== undefined),
          info: found.flatMap(one => (one === undefined ? [] : [one.info as z.input<typeof keyObject>])),
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/key/list'],
      summary: 'Keys you may see',
      query: z.object({
        page: pageNumber,
        size: pageSize(10),
        user_id: z.string().optional(),
        team_id: z.string().optional(),
        organization_id: z.string().optional(),
        key_alias: z.string().optional(),
        key_hash: z.string().max(500).optional(),
        return_full_object: queryFlag.optional(),
        include_team_keys: queryFlag.optional(),
        include_created_by_keys: queryFlag.optional(),
        status: z.enum(['blocked', 'active', 'deleted']).optional(),
        sort_by: z.enum([...keySorts, 'expires', 'last_active']).optional(),
        sort_order: z.enum(['asc', 'desc']).default('desc'),
        expand: z.string().optional(),
      }),
      response: z.object({
        keys: z.array(z.unknown()),
        total_count: z.number(),
        current_page: z.number(),
        total_pages: z.number(),
      }),
      handle: async ({ query, principal }) => {
        if (query.status === 'deleted') return { keys: [], total_count: 0, current_page: query.page, total_pages: 0 }
        const sort = { expires: 'expires_at', last_active: 'last_active_at' } as const
        const { keys: found, total } = await listKeys(db, principal, {
          userId: query.user_id,
          teamId: query.team_id,
          organizationId: query.organization_id,
          alias: query.key_alias,
          token: query.key_hash === undefined ? undefined : asToken(query.key_hash),
          blocked: query.status === undefined ? undefined : query.status === 'blocked',
          includeTeamKeys: query.include_team_keys ?? false,
          includeCreatedBy: query.include_created_by_keys ?? false,
          page: query.page,
          size: query.size,
          sortBy:
            query.sort_by === undefined
              ? 'created_at'
              : query.sort_by === 'expires' || query.sort_by === 'last_active'
                ? sort[query.sort_by]
                : query.sort_by,
          sortOrder: query.sort_order,
        })
        return {
          keys: [...shownKeys(found, query.return_full_object ?? false)],
          total_count: total,
          current_page: query.page,
          total_pages: Math.ceil(total / query.size),
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/key/aliases'],
      summary: 'Aliases of the keys you may see',
      query: z.object({ search: z.string().max(255).optional(), size: pageSize(1000, 1000) }),
      response: z.object({ aliases: z.array(z.string()) }),
      handle: async ({ query, principal }) => ({ aliases: await listAliases(db, principal, query.search, query.size) }),
    }),
  ]
}

const masterKeyIsConfigured = (): GatewayError =>
  new GatewayError(
    'invalid_request',
    "The master key is not changed here: set general_settings.master_key (and LITELLM_SALT_KEY where it took the salt key's place), then call POST /credentials/migrate-encryption.",
    { param: 'new_master_key' },
  )

/** Each key for itself: what fails does not hold up the rest. */
export function bulkUpdate(keys: Keys, path: string): Route {
  const response = z.object({
    total_requested: z.number(),
    successful_updates: z.array(z.unknown()),
    failed_updates: z.array(z.object({ key: z.string(), failed_reason: z.string() })),
  })
  const definition: ApiRoute<
    z.ZodType,
    z.ZodType,
    z.ZodObject<{ keys: z.ZodArray<typeof updateKeyRequest> }>,
    typeof response
  > = {
    tag,
    groups,
    method: 'POST',
    permission: 'self',
    paths: [path],
    summary: 'Change several keys',
    body: z.object({ keys: z.array(updateKeyRequest).min(1).max(500) }),
    response,
    handle: async ({ body, ...caller }) => {
      const successful: unknown[] = []
      const failed: { key: string; failed_reason: string }[] = []
      for (const change of body.keys) {
        try {
          successful.push({ key: change.key, key_info: await keys.update(caller, change) })
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error
          failed.push({ key: change.key, failed_reason: error.message })
        }
      }
      return { total_requested: body.keys.length, successful_updates: successful, failed_updates: failed }
    },
  }
  return apiRoute(definition)
}

function ifMissing(error: unknown): undefined {
  if (error instanceof GatewayError && error.code === 'not_found') return undefined
  throw error
}

/** `metadata.logging` of a key or its team: `[{callback_name, …}]`. None of them is served yet, which a key should hear. */
function healthOf(logging: unknown) {
  const callbacks = (Array.isArray(logging) ? logging : []).flatMap((entry: unknown) => {
    const name =
      typeof entry === 'object' && entry !== null ? (entry as { callback_name?: unknown }).callback_name : null
    return typeof name === 'string' ? [name] : []
  })
  if (callbacks.length === 0) return { key: 'healthy' as const, logging_callbacks: null }
  const details = 'This version sends nothing to integrations that keys name.'
  return { key: 'unhealthy' as const, logging_callbacks: { callbacks, status: 'unhealthy' as const, details } }
}
