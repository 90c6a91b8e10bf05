import { z } from 'zod'
import { roles } from '../../../governance/authorization/roles.ts'
import type { Management } from '../../../governance/management/management.ts'
import { newUserRequest, updateUserRequest } from '../../../governance/management/users/user-fields.ts'
import { Users } from '../../../governance/management/users/users.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { apiRoute, pageNumber, pageSize } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const tag = 'users'
const write = { tag, method: 'POST', permission: 'self' } as const
const read = { tag, method: 'GET', permission: 'self' } as const
const user = z.looseObject({ user_id: z.string().nullable() })
type User = z.input<typeof user>

const commaList = z
  .string()
  .max(10_000)
  .transform(text => text.split(',').map(part => part.trim()))

const roleDescriptions: Readonly<Record<(typeof roles)[number], string>> = {
  proxy_admin: 'Everything',
  proxy_admin_viewer: 'Sees everything, changes nothing',
  org_admin: 'Manages teams, keys and people of its organizations',
  internal_user: 'Makes keys for itself, sees its own spend',
  internal_user_viewer: 'Sees its own keys and spend',
  team: 'A token that stands for a team',
  customer: 'A token that stands for an end user',
}

export function userRoutes(management: Management): Route[] {
  const users = new Users(management)
  return [
    apiRoute({
      ...write,
      paths: ['/user/new'],
      summary: 'Make a user, and a first key',
      body: newUserRequest,
      response: user,
      handle: ({ body, ...caller }) => users.create(caller, body) as Promise<User>,
    }),
    apiRoute({
      ...write,
      paths: ['/user/update'],
      summary: 'Change a user',
      body: updateUserRequest,
      response: z.looseObject({ user_id: z.string().nullable(), data: user }),
      handle: async ({ body, ...caller }) => {
        const data = (await users.update(caller, body)) as User
        return { user_id: data.user_id, data }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/user/bulk_update'],
      summary: 'Change several users',
      body: z.object({ users: z.array(updateUserRequest).min(1).max(500) }),
      response: z.object({
        results: z.array(z.unknown()),
        total_requested: z.number(),
        successful_updates: z.number(),
        failed_updates: z.number(),
      }),
      handle: async ({ body, ...caller }) => {
        const results: unknown[] = []
        let failed = 0
        for (const change of body.users) {
          try {
            results.push({ user_id: change.user_id, success: true, updated_user: await users.update(caller, change) })
          } catch (error) {
            if (!(error instanceof GatewayError)) throw error
            failed++
            results.push({
              user_id: change.user_id,
              user_email: change.user_email,
              success: false,
              error: error.message,
            })
          }
        }
        const total = body.users.length
        return { results, total_requested: total, successful_updates: total - failed, failed_updates: failed }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/user/delete'],
      summary: 'Delete users, with their keys and memberships',
      body: z.object({ user_ids: z.array(z.string()).min(1).max(500) }),
      response: z.object({ deleted: z.number() }),
      handle: async ({ body, ...caller }) => ({ deleted: await users.delete(caller, body.user_ids) }),
    }),
    apiRoute({
      ...read,
      paths: ['/user/info'],
      summary: 'A user, its keys and teams; without user_id, yourself',
      query: z.object({ user_id: z.string().max(255).optional() }),
      response: z.looseObject({
        user_id: z.string().nullable(),
        user_info: user.nullable(),
        keys: z.array(z.unknown()),
        teams: z.array(z.unknown()),
      }),
      handle: async ({ query, ...caller }) =>
        (await users.info(caller, query.user_id)) as {
          user_id: string
          user_info: User
          keys: unknown[]
          teams: unknown[]
        },
    }),
    apiRoute({
      ...read,
      paths: ['/v2/user/info'],
      summary: 'A user alone',
      query: z.object({ user_id: z.string().max(255).optional() }),
      response: user,
      handle: ({ query, ...caller }) => {
        const id = query.user_id ?? caller.principal.userId
        if (id === undefined) throw new GatewayError('missing_field', "'user_id' is required.", { param: 'user_id' })
        return users.show(caller, id) as Promise<User>
      },
    }),
    apiRoute({
      ...read,
      paths: ['/user/list', '/user/filter/ui'],
      summary: 'Users you may see',
      query: z.object({
        role: z.enum(roles).optional(),
        user_ids: commaList.optional(),
        sso_user_ids: commaList.optional(),
        user_email: z.string().max(320).optional(),
        team: z.string().max(255).optional(),
        page: pageNumber,
        page_size: pageSize(25),
        sort_by: z
          .enum(['created_at', 'user_email', 'spend', 'user_alias', 'user_id', 'user_role'])
          .default('created_at'),
        sort_order: z.enum(['asc', 'desc']).default('desc'),
      }),
      response: z.object({
        users: z.array(user),
        total: z.number(),
        page: z.number(),
        page_size: z.number(),
        total_pages: z.number(),
      }),
      handle: async ({ query, ...caller }) => {
        const { users: found, total } = await users.list(caller, {
          role: query.role,
          ids: query.user_ids,
          ssoIds: query.sso_user_ids,
          email: query.user_email,
          team: query.team,
          sortBy: query.sort_by,
          order: query.sort_order,
          page: query.page,
          size: query.page_size,
        })
        return {
          users: found as User[],
          total,
          page: query.page,
          page_size: query.page_size,
          total_pages: Math.ceil(total / query.page_size),
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/user/available_roles'],
      summary: 'Roles and what they may do',
      response: z.record(z.string(), z.object({ description: z.string(), ui_label: z.string() })),
      handle: () =>
        Object.fromEntries(
          roles.map(role => [role, { description: roleDescriptions[role], ui_label: role.replaceAll('_', ' ') }]),
        ),
    }),
  ]
}
