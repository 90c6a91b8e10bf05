import { z } from 'zod'
import { Keys } from '../../../governance/management/keys/keys.ts'
import type { Management } from '../../../governance/management/management.ts'
import {
  member,
  memberLimits,
  newTeamRequest,
  teamRoles,
  updateTeamRequest,
} from '../../../governance/management/teams/team-fields.ts'
import { permissionsOf, Teams } from '../../../governance/management/teams/teams.ts'
import { apiRoute, pageNumber, pageSize } from '../../api-route.ts'
import type { Route } from '../../route.ts'
import { bulkUpdate } from '../keys/routes.ts'

const tag = 'teams'
const write = { tag, method: 'POST', permission: 'self' } as const
const read = { tag, method: 'GET', permission: 'self' } as const

const team = z.looseObject({ team_id: z.string() })
type Team = z.input<typeof team>
const teamId = z.object({ team_id: z.string().min(1).max(255) })
const membership = z.looseObject({ user_id: z.string(), team_id: z.string() })
type Membership = z.input<typeof membership>
const who = { user_id: z.string().max(255).nullish(), user_email: z.string().max(320).nullish() } as const

/** Routes members of a team may be allowed, as LiteLLM names them. */
export const memberPermissions = [
  '/key/generate',
  '/key/update',
  '/key/delete',
  '/key/info',
  '/key/regenerate',
  '/key/list',
  '/key/block',
  '/key/unblock',
  '/key/service-account/generate',
  '/team/daily/activity',
  '/spend/logs',
] as const

export function teamRoutes(management: Management): Route[] {
  const teams = new Teams(management)
  return [
    ...objectRoutes(teams),
    ...memberRoutes(teams),
    ...settingRoutes(teams),
    bulkUpdate(new Keys(management), '/team/key/bulk_update'),
  ]
}

function objectRoutes(teams: Teams): Route[] {
  const list = async (
    caller: Parameters<Teams['list']>[0],
    query: Readonly<Record<string, unknown>>,
    offset: number,
    limit: number,
  ) =>
    teams.list(caller, {
      userId: query['user_id'] as string | undefined,
      organizationId: query['organization_id'] as string | undefined,
      teamId: query['team_id'] as string | undefined,
      alias: query['team_alias'] as string | undefined,
      offset,
      limit,
    })
  const filters = {
    user_id: z.string().max(255).optional(),
    organization_id: z.string().max(255).optional(),
    team_id: z.string().max(255).optional(),
    team_alias: z.string().max(255).optional(),
  }
  return [
    apiRoute({
      ...write,
      paths: ['/team/new'],
      summary: 'Make a team',
      body: newTeamRequest,
      response: team,
      handle: ({ body, ...caller }) => teams.create(caller, body) as Promise<Team>,
    }),
    ...(['POST', 'PATCH'] as const).map(method =>
      apiRoute({
        ...write,
        method,
        paths: ['/team/update'],
        summary: 'Change a team',
        body: updateTeamRequest,
        response: z.looseObject({ team_id: z.string(), data: team }),
        handle: async ({ body, ...caller }) => ({
          team_id: body.team_id,
          data: (await teams.update(caller, body)) as Team,
        }),
      }),
    ),
    apiRoute({
      tag,
      method: 'PATCH',
      permission: 'self',
      paths: ['/team/:team_id'],
      summary: 'Change a team',
      params: teamId,
      body: updateTeamRequest.omit({ team_id: true }),
      response: team,
      handle: ({ params, body, ...caller }) =>
        teams.update(caller, { ...body, team_id: params.team_id }) as Promise<Team>,
    }),
    apiRoute({
      ...write,
      paths: ['/team/delete'],
      summary: 'Delete teams, with their memberships and keys',
      body: z.object({ team_ids: z.array(z.string()).min(1).max(500) }),
      response: z.object({ deleted_teams: z.array(team) }),
      handle: async ({ body, ...caller }) => ({ deleted_teams: (await teams.delete(caller, body.team_ids)) as Team[] }),
    }),
    ...(['block', 'unblock'] as const).map(verb =>
      apiRoute({
        ...write,
        paths: [`/team/${verb}`],
        summary: verb === 'block' ? 'Block a team and all its keys' : 'Lift a block',
        body: teamId,
        response: team,
        handle: ({ body, ...caller }) => teams.setBlocked(caller, body.team_id, verb === 'block') as Promise<Team>,
      }),
    ),
    apiRoute({
      ...read,
      paths: ['/team/info'],
      summary: 'A team, its members and keys',
      query: teamId,
      response: z.looseObject({
        team_id: z.string(),
        team_info: team,
        keys: z.array(z.unknown()),
        team_memberships: z.array(membership),
      }),
      handle: async ({ query, ...caller }) => {
        const info = await teams.info(caller, query.team_id)
        return { ...info, team_info: info.team_info as Team, team_memberships: info.team_memberships as Membership[] }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/team/list'],
      summary: 'Teams you may see',
      query: z.object(filters),
      response: z.array(team),
      handle: async ({ query, ...caller }) => (await list(caller, query, 0, 1000)).teams as Team[],
    }),
    apiRoute({
      ...read,
      paths: ['/v2/team/list', '/team/filter/ui'],
      summary: 'The same in pages',
      query: z.object({ ...filters, page: pageNumber, page_size: pageSize(10) }),
      response: z.object({
        teams: z.array(team),
        total: z.number(),
        page: z.number(),
        page_size: z.number(),
        total_pages: z.number(),
      }),
      handle: async ({ query, ...caller }) => {
        const found = await list(caller, query, (query.page - 1) * query.page_size, query.page_size)
        return {
          teams: found.teams as Team[],
          total: found.total,
          page: query.page,
          page_size: query.page_size,
          total_pages: Math.ceil(found.total / query.page_size),
        }
      },
    }),
    apiRoute({
      ...read,
      paths: ['/team/available'],
      summary: 'Teams one may join oneself; none unless an administrator opens them',
      response: z.array(team),
      handle: () => [],
    }),
  ]
}

function memberRoutes(teams: Teams): Route[] {
  return [
    apiRoute({
      ...write,
      paths: ['/team/member_add', '/team/bulk_member_add'],
      summary: 'Add members',
      body: z
        .object({
          ...teamId.shape,
          member: z.union([member, z.array(member).min(1).max(500)]).optional(),
          members: z.array(member).min(1).max(500).optional(),
          ...memberLimits,
        })
        .refine(body => body.member !== undefined || body.members !== undefined, 'give member or members'),
      response: team,
      handle: ({ body, ...caller }) => {
        const { team_id: id, member: one, members, ...limits } = body
        const all = [...(one === undefined ? [] : Array.isArray(one) ? one : [one]), ...(members ?? [])]
        return teams.addMembers(caller, id, all, limits) as Promise<Team>
      },
    }),
    apiRoute({
      ...write,
      paths: ['/team/member_update'],
      summary: 'Change the role or limits of a member',
      body: z.object({ ...teamId.shape, ...who, role: z.enum(teamRoles).nullish(), ...memberLimits }),
      response: membership,
      handle: async ({ body, ...caller }) => {
        const { team_id: id, user_id, user_email, role, ...limits } = body
        const row = await teams.updateMember(caller, id, { user_id, user_email }, role ?? undefined, limits)
        return { team_id: id, user_id: row.user_id, role: row.role, ...defined(limits) }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/team/member_delete'],
      summary: 'Remove a member, with its keys in the team',
      body: z.object({ ...teamId.shape, ...who }),
      response: team,
      handle: ({ body, ...caller }) =>
        teams.removeMember(caller, body.team_id, {
          user_id: body.user_id,
          user_email: body.user_email,
        }) as Promise<Team>,
    }),
    apiRoute({
      ...write,
      paths: ['/team/:team_id/member/:user_id/reset_spend'],
      summary: 'Set what a member has spent in the team',
      params: teamId.extend({ user_id: z.string().max(255) }),
      body: z.object({ reset_to: z.number().min(0).default(0) }),
      response: membership,
      handle: ({ params, body, ...caller }) =>
        teams.resetMemberSpend(caller, params.team_id, params.user_id, body.reset_to) as Promise<Membership>,
    }),
    apiRoute({
      ...read,
      paths: ['/team/:team_id/members/me'],
      summary: 'Your own membership',
      params: teamId,
      response: membership,
      handle: async ({ params, ...caller }) => {
        const info = await teams.info(caller, params.team_id)
        const own = info.team_memberships.find(one => one['user_id'] === caller.principal.userId)
        return (own ?? { user_id: caller.principal.userId ?? '', team_id: params.team_id }) as Membership
      },
    }),
  ]
}

function settingRoutes(teams: Teams): Route[] {
  const models = z.object({ ...teamId.shape, models: z.array(z.string().max(500)).min(1).max(1000) })
  const permissions = z.object({
    team_id: z.string(),
    team_member_permissions: z.array(z.string()),
    all_available_permissions: z.array(z.string()),
  })
  return [
    apiRoute({
      ...write,
      paths: ['/team/model/add'],
      summary: 'Grant models to a team',
      body: models,
      response: team,
      handle: ({ body, ...caller }) =>
        teams.changeSettings(caller, body.team_id, settings => ({
          models: [...new Set([...texts(settings['models']), ...body.models])],
        })) as Promise<Team>,
    }),
    apiRoute({
      ...write,
      paths: ['/team/model/delete'],
      summary: 'Take models from a team; one that is left with none may use none',
      body: models,
      response: team,
      handle: ({ body, ...caller }) =>
        teams.changeSettings(caller, body.team_id, settings => {
          const left = texts(settings['models']).filter(model => !body.models.includes(model))
          return { models: left.length > 0 ? left : ['no-default-models'] }
        }) as Promise<Team>,
    }),
    apiRoute({
      ...read,
      paths: ['/team/permissions_list'],
      summary: 'What members of a team may do',
      query: teamId,
      response: permissions,
      handle: async ({ query, ...caller }) => {
        const row = await teams.managed(caller, query.team_id)
        return {
          team_id: query.team_id,
          team_member_permissions: [...permissionsOf(row)],
          all_available_permissions: [...memberPermissions],
        }
      },
    }),
    apiRoute({
      ...write,
      permission: 'admin',
      paths: ['/team/permissions_bulk_update'],
      summary: 'Let members of several teams, or of all, do more; what they may do already stays',
      body: z
        .object({
          permissions: z.array(z.enum(memberPermissions)).min(1),
          team_ids: z.array(z.string().min(1).max(255)).min(1).max(1000).nullish(),
          apply_to_all_teams: z.boolean().default(false),
        })
        .refine(
          body => (body.team_ids != null) !== body.apply_to_all_teams,
          'give either team_ids or apply_to_all_teams',
        ),
      response: z.object({ message: z.string(), teams_updated: z.int(), permissions_appended: z.array(z.string()) }),
      handle: async ({ body, ...caller }) => {
        const updated = await teams.appendPermissions(caller, body.permissions, body.team_ids ?? undefined)
        return {
          message: `Permissions of ${updated} teams updated`,
          teams_updated: updated,
          permissions_appended: body.permissions,
        }
      },
    }),
    apiRoute({
      ...write,
      paths: ['/team/permissions_update'],
      summary: 'Set what members of a team may do',
      body: z.object({ ...teamId.shape, team_member_permissions: z.array(z.enum(memberPermissions)) }),
      response: team,
      handle: ({ body, ...caller }) =>
        teams.changeSettings(caller, body.team_id, () => ({
          team_member_permissions: body.team_member_permissions,
        })) as Promise<Team>,
    }),
  ]
}

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter(item => typeof item === 'string' && item !== 'no-default-models') : []

const defined = (record: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))
