import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Authentication } from '../../governance/authentication/authentication.ts'
import { endSessionCookies, sessionCookies } from '../../governance/authentication/login/cookies.ts'
import { checkSameSite } from '../../governance/authentication/login/cross-site.ts'
import { ownOrigins } from '../../governance/authentication/login/own-origins.ts'
import { passwordLogin } from '../../governance/authentication/login/password-login.ts'
import type { LoginMethod } from '../../governance/authentication/login/session.ts'
import { safeReturnTo } from '../../governance/authentication/oidc/return-to.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { UserRow } from '../../platform/store/tables.ts'
import { presented } from '../presented.ts'
import type { Route, RouteContext } from '../route.ts'
import { loginForm, sendPage } from './pages.ts'
import { bearerOf, bodyOf, isSecure, requiredText } from './request.ts'

const open = { permission: 'public', dialect: 'openai' } as const

/** Login by name and password, and logout. */
export function passwordRoutes(authentication: Authentication): Route[] {
  return [
    {
      ...open,
      method: 'GET',
      paths: ['/fallback/login', '/login'],
      handle: context => showForm(authentication, context),
    },
    { ...open, method: 'POST', paths: ['/login'], form: true, handle: context => byForm(authentication, context) },
    { ...open, method: 'POST', paths: ['/v2/login'], handle: context => byJson(authentication, context) },
    { ...open, method: 'POST', paths: ['/logout', '/v2/logout'], handle: context => logout(authentication, context) },
  ]
}

function showForm({ login }: Authentication, { request, reply }: RouteContext): undefined {
  const { return_to: returnTo } = request.query as { return_to?: unknown }
  const root = rootOf(request, ['/fallback/login', '/login'])
  const sso = login.sso === undefined ? undefined : `${root}/sso/key/generate`
  const form = { action: `${root}/login`, returnTo: safeReturnTo(returnTo), problem: undefined, sso }
  return sendPage(reply, 'Log in', loginForm(form))
}

async function byForm(authentication: Authentication, { request, reply }: RouteContext): Promise<undefined> {
  const fields = bodyOf(request)
  const returnTo = safeReturnTo(fields['return_to'])
  const root = rootOf(request, ['/login'])
  try {
    const user = await logIn(authentication, request)
    await beginSession(authentication, { request, reply, user, method: 'password' })
    reply.redirect(root + returnTo, 303)
    return undefined
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error
    if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
    const form = { action: `${root}/login`, returnTo, problem: error.message, sso: undefined }
    return sendPage(reply, 'Log in', loginForm(form), error.status)
  }
}

async function byJson(authentication: Authentication, { request, reply }: RouteContext): Promise<object> {
  const user = await logIn(authentication, request)
  const { token, expiresAt } = await beginSession(authentication, { request, reply, user, method: 'password' })
  const { settings } = authentication.login
  return {
    redirect_url: `${settings.baseUrl ?? rootOf(request, ['/v2/login'])}/ui/?login=success`,
    user_id: user.user_id,
    user_email: user.user_email,
    user_role: user.user_role,
    expires_at: new Date(expiresAt).toISOString(),
    // A page has the cookie, which scripts cannot read; only who asks gets the token as text.
    ...(bodyOf(request)['return_token'] === true ? { token } : {}),
  }
}

async function logIn({ login }: Authentication, request: FastifyRequest): Promise<UserRow> {
  checkSameSite(request.raw.headers, ownOrigins(login.settings.baseUrl, request.raw.headers))
  const fields = bodyOf(request)
  const given = { username: requiredText(fields, 'username'), password: requiredText(fields, 'password') }
  const user = await passwordLogin(login.password, login.settings, given, request.clientAddress)
  const admin = user.user_role === 'proxy_admin' || user.user_role === 'proxy_admin_viewer'
  if (login.settings.adminsOnly && !admin) {
    throw new GatewayError(
      'permission_denied',
      'Only administrators may log in (general_settings.ui_access_mode: admin_only).',
    )
  }
  return user
}

/** A session for a user who has just proved who it is, with its cookies. */
export async function beginSession(
  { login }: Authentication,
  begun: {
    readonly request: FastifyRequest
    readonly reply: FastifyReply
    readonly user: UserRow
    readonly method: LoginMethod
  },
): Promise<{ readonly token: string; readonly expiresAt: number }> {
  const { request, reply, user, method } = begun
  const { token, session } = await login.sessions.begin({
    userId: user.user_id,
    kind: 'browser',
    method,
    address: request.clientAddress,
  })
  const secure = isSecure(request, login.settings.baseUrl)
  const seconds = (session.expiresAt - session.createdAt) / 1000
  reply.header('set-cookie', [...sessionCookies(token, secure, seconds)]).header('cache-control', 'no-store')
  return { token, expiresAt: session.expiresAt }
}

async function logout({ login }: Authentication, { request, reply }: RouteContext): Promise<object> {
  const session = await login.authenticator.session(bearerOf(request), presented(request.raw, request.clientAddress))
  if (session !== undefined) await login.sessions.end(session, request.clientAddress)
  reply.header('set-cookie', [...endSessionCookies(isSecure(request, login.settings.baseUrl))])
  return { status: 'logged out' }
}

/** The prefix the gateway runs under. */
export function rootOf(request: FastifyRequest, paths: readonly string[]): string {
  const mounted = request.routeOptions.url ?? ''
  const path = paths.find(one => mounted.endsWith(one))
  return path === undefined ? '' : mounted.slice(0, -path.length)
}
