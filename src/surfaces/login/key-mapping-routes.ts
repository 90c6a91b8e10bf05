import { z } from 'zod'
import type { Authentication } from '../../governance/authentication/authentication.ts'
import { isToken, tokenOf } from '../../governance/authentication/token-hash.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { apiRoute, pageNumber, pageSize } from '../api-route.ts'
import type { Route } from '../route.ts'

const mapping = z.object({
  id: z.string(),
  jwt_claim_name: z.string(),
  jwt_claim_value: z.string(),
  description: z.string().nullable(),
  is_active: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
  created_by: z.string().nullable(),
  updated_by: z.string().nullable(),
})
const text = z.string().min(1).max(512)
const id = z.string().min(1).max(200)
const fields = z.object({
  /** The key in clear, or `token`, its SHA-256. */
  key: text.optional(),
  token: text.optional(),
  description: z.string().max(2000).nullish(),
  is_active: z.boolean().optional(),
})
const tag = 'jwt key mappings'
const write = { method: 'POST', permission: 'admin', tag } as const
const read = { method: 'GET', permission: 'viewer', tag } as const

/** Which virtual key stands for which claim of a JWT. */
export function keyMappingRoutes(authentication: Authentication): Route[] {
  const mappings = () => authentication.login.keyMappings
  return [
    apiRoute({
      ...write,
      paths: ['/jwt/key/mapping/new'],
      summary: 'Lets JWTs with a claim act as a virtual key',
      body: fields.extend({ jwt_claim_name: text, jwt_claim_value: text }),
      response: mapping,
      handle: ({ body, actor }) => {
        const token = tokenIn(body)
        if (token === undefined) throw exactlyOne()
        const { jwt_claim_name: claimName, jwt_claim_value: claimValue, description, is_active: active } = body
        return mappings().create({ claimName, claimValue, token, description, active }, actor)
      },
    }),
    apiRoute({
      ...write,
      paths: ['/jwt/key/mapping/update'],
      summary: 'Changes a mapping',
      body: fields.extend({ id, jwt_claim_name: text.optional(), jwt_claim_value: text.optional() }),
      response: mapping,
      handle: ({ body, actor }) => {
        const { jwt_claim_name: claimName, jwt_claim_value: claimValue, description, is_active: active } = body
        return mappings().update(body.id, { claimName, claimValue, token: tokenIn(body), description, active }, actor)
      },
    }),
    apiRoute({
      ...write,
      paths: ['/jwt/key/mapping/delete'],
      summary: 'Removes a mapping',
      body: z.object({ id }),
      response: z.object({ status: z.string() }),
      handle: async ({ body, actor }) => {
        await mappings().delete(body.id, actor)
        return { status: 'success' }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/jwt/key/mapping/list'],
      summary: 'Mappings, newest first',
      query: z.object({ page: pageNumber, size: pageSize(50) }),
      response: z.object({
        mappings: z.array(mapping),
        total_count: z.number(),
        current_page: z.number(),
        total_pages: z.number(),
      }),
      handle: async ({ query }) => {
        const { mappings: found, total } = await mappings().list(query.page, query.size)
        return {
          mappings: found,
          total_count: total,
          current_page: query.page,
          total_pages: Math.ceil(total / query.size),
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/jwt/key/mapping/info'],
      summary: 'A mapping by its id',
      query: z.object({ id }),
      response: mapping,
      handle: ({ query }) => mappings().find(query.id),
    }),
  ]
}

function tokenIn({
  key,
  token,
}: {
  readonly key?: string | undefined
  readonly token?: string | undefined
}): string | undefined {
  if (key !== undefined && token !== undefined) throw exactlyOne()
  if (token !== undefined && !isToken(token)) {
    throw new GatewayError(
      'invalid_request',
      "'token' must be the SHA-256 of a virtual key in hex; send the key itself as 'key'.",
      {
        param: 'token',
      },
    )
  }
  return token ?? (key === undefined ? undefined : tokenOf(key))
}

const exactlyOne = (): GatewayError =>
  new GatewayError('invalid_request', "Send one of 'key' (the virtual key) and 'token' (its SHA-256).", {
    param: 'key',
  })
