import type { FastifyRequest } from 'fastify'
import type { Authentication } from '../../governance/authentication/authentication.ts'
import { beginLoginCookie, endLoginCookie, loginCookie } from '../../governance/authentication/login/cookies.ts'
import { loginLifetime } from '../../governance/authentication/oidc/login-flow.ts'
import { safeReturnTo } from '../../governance/authentication/oidc/return-to.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Route, RouteContext } from '../route.ts'
import { facts, loginForm, problemMessage, sendPage } from './pages.ts'
import { beginSession, rootOf } from './password-routes.ts'
import { baseUrlOf, isSecure } from './request.ts'

const open = { permission: 'public', dialect: 'openai', method: 'GET' } as const

/** LiteLLM's `?source=` of a command line tool. */
const cliSources: ReadonlySet<unknown> = new Set(['litellm-cli', 'routeiq-cli'])

/** Login through an identity provider. */
export function ssoRoutes(authentication: Authentication): Route[] {
  return [
    { ...open, paths: ['/sso/key/generate'], handle: context => begin(authentication, context) },
    { ...open, paths: ['/sso/callback'], handle: context => comeBack(authentication, context) },
    { ...open, paths: ['/sso/readiness'], handle: () => readiness(authentication) },
    { ...open, paths: ['/sso/debug/login'], handle: context => debug(authentication, context) },
    { ...open, paths: ['/sso/debug/callback'], handle: context => debugBack(authentication, context) },
  ]
}

/** To the identity provider, or to the form when there is none. */
async function begin(authentication: Authentication, { request, reply }: RouteContext): Promise<undefined> {
  const { sso, settings } = authentication.login
  const query = request.query as Readonly<Record<string, unknown>>
  const forTool = cliSources.has(query['source']) && typeof query['key'] === 'string'
  const returnTo = forTool
    ? `/sso/cli/complete/${encodeURIComponent(String(query['key']))}`
    : safeReturnTo(query['return_to'])
  const root = rootOf(request, ['/sso/key/generate'])
  if (sso === undefined) {
    return sendPage(
      reply,
      'Log in',
      loginForm({ action: `${root}/login`, returnTo, problem: undefined, sso: undefined }),
    )
  }
  const redirectUri = `${baseUrlOf(request, settings.baseUrl, '/sso/key/generate')}/sso/callback`
  return redirectToProvider(authentication, { request, reply }, redirectUri, returnTo)
}

async function redirectToProvider(
  { login }: Authentication,
  { request, reply }: Pick<RouteContext, 'request' | 'reply'>,
  redirectUri: string,
  returnTo: string,
): Promise<undefined> {
  if (login.sso === undefined) throw notConfigured()
  const { url, cookie } = await login.sso.flow.begin({ redirectUri, returnTo, address: request.clientAddress })
  const secure = isSecure(request, login.settings.baseUrl)
  reply
    .header('set-cookie', beginLoginCookie(cookie, secure, loginLifetime))
    .header('cache-control', 'no-store')
    .redirect(url, 303)
  return undefined
}

async function comeBack(authentication: Authentication, { request, reply }: RouteContext): Promise<undefined> {
  const { login } = authentication
  if (login.sso === undefined) throw notConfigured()
  reply.header('set-cookie', endLoginCookie(isSecure(request, login.settings.baseUrl)))
  try {
    const finished = await login.sso.flow.finish(
      request.query as Record<string, unknown>,
      loginCookie(request.raw.headers),
      `${baseUrlOf(request, login.settings.baseUrl, '/sso/callback')}/sso/callback`,
    )
    const user = await login.sso.flow.admit(finished.person, request.clientAddress)
    await beginSession(authentication, { request, reply, user, method: 'sso' })
    reply.redirect(rootOf(request, ['/sso/callback']) + finished.returnTo, 303)
    return undefined
  } catch (error) {
    return sendProblem(request, reply, error)
  }
}

/** People see these answers, not programs. */
function sendProblem(request: FastifyRequest, reply: RouteContext['reply'], error: unknown): undefined {
  if (!(error instanceof GatewayError)) throw error
  if (error.retryAfter !== undefined) reply.header('retry-after', String(Math.ceil(error.retryAfter)))
  const again = `${rootOf(request, ['/sso/callback', '/sso/debug/callback'])}/fallback/login`
  const content = `${problemMessage(error.message)}<p><a href="${again}">Back to the login</a></p>`
  return sendPage(reply, 'The login did not work', content, error.status)
}

function readiness({ login }: Authentication): object {
  const { sso, settings } = login
  return {
    sso_configured: sso !== undefined,
    provider: sso?.settings.provider ?? null,
    base_url: settings.baseUrl ?? null,
    missing: sso !== undefined && settings.baseUrl === undefined ? ['PROXY_BASE_URL'] : [],
  }
}

async function debug(authentication: Authentication, { request, reply }: RouteContext): Promise<undefined> {
  const redirectUri = `${baseUrlOf(request, authentication.login.settings.baseUrl, '/sso/debug/login')}/sso/debug/callback`
  return redirectToProvider(authentication, { request, reply }, redirectUri, '/')
}

/** Shows a person what the identity provider says of it, and logs nobody in. */
async function debugBack(authentication: Authentication, { request, reply }: RouteContext): Promise<undefined> {
  const { login } = authentication
  if (login.sso === undefined) throw notConfigured()
  reply.header('set-cookie', endLoginCookie(isSecure(request, login.settings.baseUrl)))
  try {
    const { claims, person } = await login.sso.flow.finish(
      request.query as Record<string, unknown>,
      loginCookie(request.raw.headers),
      `${baseUrlOf(request, login.settings.baseUrl, '/sso/debug/callback')}/sso/debug/callback`,
    )
    return sendPage(reply, 'What the identity provider says', facts({ read_as: person, claims }))
  } catch (error) {
    return sendProblem(request, reply, error)
  }
}

const notConfigured = (): GatewayError =>
  new GatewayError(
    'not_found',
    'No identity provider is configured. Set GENERIC_CLIENT_ID, GOOGLE_CLIENT_ID or MICROSOFT_CLIENT_ID.',
  )
