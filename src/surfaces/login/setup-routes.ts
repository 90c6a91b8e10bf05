import { z } from 'zod'
import type { Authentication } from '../../governance/authentication/authentication.ts'
import { apiRoute } from '../api-route.ts'
import type { Route, RouteContext } from '../route.ts'
import { beginSession } from './password-routes.ts'
import { bodyOf, requiredText } from './request.ts'

const open = { permission: 'public', dialect: 'openai' } as const

/** The first administrator, and who is logged in. */
export function setupRoutes(authentication: Authentication): Route[] {
  return [
    {
      ...open,
      method: 'GET',
      paths: ['/v1/routeiq/setup'],
      handle: async () => ({ needed: await authentication.login.firstRun.needed() }),
    },
    { ...open, method: 'POST', paths: ['/v1/routeiq/setup'], handle: context => setUp(authentication, context) },
    apiRoute({
      method: 'GET',
      permission: 'self',
      paths: ['/v1/routeiq/session'],
      tag: 'login',
      summary: 'Who is calling: for a dashboard, after login',
      response: z.object({
        proof: z.string(),
        user_id: z.string().nullable(),
        user_email: z.string().nullable(),
        user_role: z.string(),
        team_id: z.string().nullable(),
        expires_at: z.string().nullable(),
      }),
      handle: ({ principal }) => ({
        proof: principal.proof,
        user_id: principal.userId ?? null,
        user_email: principal.userEmail ?? null,
        user_role: principal.role,
        team_id: principal.teamId ?? null,
        expires_at: principal.expiresAt === undefined ? null : new Date(principal.expiresAt).toISOString(),
      }),
    }),
  ]
}

async function setUp(authentication: Authentication, { request, reply }: RouteContext): Promise<object> {
  const fields = bodyOf(request)
  const given = {
    token: requiredText(fields, 'token'),
    email: requiredText(fields, 'email'),
    password: requiredText(fields, 'password'),
  }
  const user = await authentication.login.firstRun.createAdmin(given, request.clientAddress)
  await beginSession(authentication, { request, reply, user, method: 'setup' })
  return { user_id: user.user_id, user_email: user.user_email, user_role: user.user_role }
}
