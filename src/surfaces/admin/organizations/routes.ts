import { z } from 'zod'
import type { Management } from '../../../governance/management/management.ts'
import {
  newOrganizationRequest,
  Organizations,
  organizationMember,
  organizationRoles,
  updateOrganizationRequest,
} from '../../../governance/management/organizations/organizations.ts'
import { apiRoute } from '../../api-route.ts'
import type { Route } from '../../route.ts'

const tag = 'organizations'
const organization = z.looseObject({ organization_id: z.string() })
type Organization = z.input<typeof organization>
const membership = z.looseObject({ organization_id: z.string(), user_id: z.string() })
type Membership = z.input<typeof membership>
const id = z.string().min(1).max(255)

export function organizationRoutes(management: Management): Route[] {
  const organizations = new Organizations(management)
  const common = { tag, permission: 'self' } as const
  return [
    apiRoute({
      ...common,
      method: 'POST',
      paths: ['/organization/new'],
      summary: 'Make an organization',
      body: newOrganizationRequest,
      response: organization,
      handle: ({ body, ...caller }) => organizations.create(caller, body) as Promise<Organization>,
    }),
    apiRoute({
      ...common,
      method: 'PATCH',
      paths: ['/organization/update'],
      summary: 'Change an organization',
      body: updateOrganizationRequest,
      response: organization,
      handle: ({ body, ...caller }) => organizations.update(caller, body) as Promise<Organization>,
    }),
    apiRoute({
      ...common,
      method: 'PATCH',
      paths: ['/v2/organization/:organization_id'],
      summary: 'Change an organization',
      params: z.object({ organization_id: id }),
      body: updateOrganizationRequest.omit({ organization_id: true }),
      response: organization,
      handle: ({ params, body, ...caller }) =>
        organizations.update(caller, { ...body, organization_id: params.organization_id }) as Promise<Organization>,
    }),
    apiRoute({
      ...common,
      method: 'DELETE',
      paths: ['/organization/delete'],
      summary: 'Delete organizations that have no teams',
      body: z.object({ organization_ids: z.array(id).min(1).max(100) }),
      response: z.array(organization),
      handle: ({ body, ...caller }) => organizations.delete(caller, body.organization_ids) as Promise<Organization[]>,
    }),
    apiRoute({
      ...common,
      method: 'GET',
      paths: ['/organization/info'],
      summary: 'An organization, its members and teams',
      query: z.object({ organization_id: id }),
      response: organization,
      handle: ({ query, ...caller }) => organizations.info(caller, query.organization_id) as Promise<Organization>,
    }),
    apiRoute({
      ...common,
      method: 'POST',
      writes: false,
      paths: ['/organization/info'],
      summary: 'Several organizations',
      body: z.object({ organizations: z.array(id).min(1).max(100) }),
      response: z.array(organization),
      handle: ({ body, ...caller }) =>
        Promise.all(body.organizations.map(one => organizations.info(caller, one))) as Promise<Organization[]>,
    }),
    apiRoute({
      ...common,
      method: 'GET',
      paths: ['/organization/list'],
      summary: 'Organizations you may see',
      response: z.array(organization),
      handle: ({ ...caller }) => organizations.list(caller) as Promise<Organization[]>,
    }),
    apiRoute({
      ...common,
      method: 'POST',
      paths: ['/organization/member_add'],
      summary: 'Add members',
      body: z.object({
        organization_id: id,
        member: z.union([organizationMember, z.array(organizationMember).min(1).max(500)]),
      }),
      response: z.looseObject({ organization_id: z.string() }),
      handle: ({ body, ...caller }) =>
        organizations.addMembers(
          caller,
          body.organization_id,
          Array.isArray(body.member) ? body.member : [body.member],
        ) as Promise<Organization>,
    }),
    apiRoute({
      ...common,
      method: 'PATCH',
      paths: ['/organization/member_update'],
      summary: 'Change the role of a member',
      body: z.object({ organization_id: id, user_id: id, role: z.enum(organizationRoles).optional() }),
      response: membership,
      handle: ({ body, ...caller }) =>
        organizations.updateMember(caller, body.organization_id, body.user_id, body.role) as Promise<Membership>,
    }),
    apiRoute({
      ...common,
      method: 'DELETE',
      paths: ['/organization/member_delete'],
      summary: 'Remove a member',
      body: z.object({ organization_id: id, user_id: id }),
      response: membership,
      handle: ({ body, ...caller }) =>
        organizations.removeMember(caller, body.organization_id, body.user_id) as Promise<Membership>,
    }),
  ]
}
