import { z } from 'zod'
import type { Authentication } from '../../governance/authentication/authentication.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { apiRoute } from '../api-route.ts'
import type { Route, RouteContext } from '../route.ts'
import { beginSession, rootOf } from './password-routes.ts'
import { bearerOf, bodyOf, requiredText } from './request.ts'

const invitation = z.object({
  id: z.string(),
  user_id: z.string(),
  is_accepted: z.boolean(),
  accepted_at: z.string().nullable(),
  expires_at: z.string(),
  created_at: z.string(),
  created_by: z.string().nullable(),
  updated_at: z.string(),
  updated_by: z.string().nullable(),
})
const id = z.string().min(1).max(200)
const admin = { permission: 'admin', tag: 'invitations', response: invitation } as const
const open = { permission: 'public', dialect: 'openai' } as const

/** Invitations, and setting the first password with one. */
export function invitationRoutes(authentication: Authentication): Route[] {
  const invitations = () => authentication.login.invitations
  return [
    apiRoute({
      ...admin,
      method: 'POST',
      paths: ['/invitation/new'],
      summary: 'A link with which a user sets the first password. The id is shown once; it is valid for seven days',
      body: z.object({ user_id: id }),
      handle: ({ body, actor }) => invitations().create(body.user_id, actor),
    }),
    apiRoute({
      ...admin,
      method: 'GET',
      paths: ['/invitation/info'],
      summary: 'An invitation by its id',
      query: z.object({ invitation_id: id }),
      handle: ({ query }) => invitations().find(query.invitation_id),
    }),
    apiRoute({
      ...admin,
      method: 'POST',
      paths: ['/invitation/update'],
      summary: 'Closes an invitation, or opens it again',
      body: z.object({ invitation_id: id, is_accepted: z.boolean() }),
      handle: ({ body, actor }) => invitations().update(body.invitation_id, body.is_accepted, actor),
    }),
    apiRoute({
      ...admin,
      method: 'POST',
      paths: ['/invitation/delete'],
      summary: 'Withdraws an invitation',
      body: z.object({ invitation_id: id }),
      handle: ({ body, actor }) => invitations().delete(body.invitation_id, actor),
    }),
    { ...open, method: 'GET', paths: ['/onboarding/get_token'], handle: context => openLink(authentication, context) },
    { ...open, method: 'POST', paths: ['/onboarding/claim_token'], handle: context => claim(authentication, context) },
  ]
}

async function openLink({ login }: Authentication, { request, reply }: RouteContext): Promise<object> {
  const { invite_link: link } = request.query as { invite_link?: unknown }
  if (typeof link !== 'string' || link === '') {
    throw new GatewayError('missing_field', "'invite_link' is required.", { param: 'invite_link' })
  }
  const { token, user } = await login.invitations.open(link)
  const root = login.settings.baseUrl ?? rootOf(request, ['/onboarding/get_token'])
  reply.header('cache-control', 'no-store')
  const query = new URLSearchParams({ invitation_id: link, token })
  return { login_url: `${root}/ui/onboarding?${query}`, token, user_email: user.user_email }
}

async function claim(authentication: Authentication, { request, reply }: RouteContext): Promise<object> {
  const { login } = authentication
  const fields = bodyOf(request)
  const user = await login.invitations.claim({
    id: requiredText(fields, 'invitation_link'),
    userId: requiredText(fields, 'user_id'),
    password: requiredText(fields, 'password'),
    token: bearerOf(request),
    address: request.clientAddress,
  })
  const { token } = await beginSession(authentication, { request, reply, user, method: 'invitation' })
  const root = login.settings.baseUrl ?? rootOf(request, ['/onboarding/claim_token'])
  const { user_id, user_email, user_role } = user
  return { login_url: `${root}/ui/?login=success`, token, user_email, user: { user_id, user_email, user_role } }
}
