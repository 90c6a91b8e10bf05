import type { Authentication } from '../../governance/authentication/authentication.ts'
import { sessionCookie } from '../../governance/authentication/login/cookies.ts'
import { checkSameSite } from '../../governance/authentication/login/cross-site.ts'
import { ownOrigins } from '../../governance/authentication/login/own-origins.ts'
import { csrfTokenOf, type Session, sameText } from '../../governance/authentication/login/session.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { presented } from '../presented.ts'
import type { Route, RouteContext } from '../route.ts'
import { codeForm, message, sendPage } from './pages.ts'
import { rootOf } from './password-routes.ts'
import { bodyOf, textOf } from './request.ts'

const open = { permission: 'public', dialect: 'openai' } as const
const completePath = '/sso/cli/complete/:id'

/** Login for command line tools: start, confirm in the browser, poll. */
export function cliRoutes(authentication: Authentication): Route[] {
  return [
    { ...open, method: 'POST', paths: ['/sso/cli/start'], handle: context => start(authentication, context) },
    { ...open, method: 'GET', paths: [completePath], handle: context => ask(authentication, context) },
    {
      ...open,
      method: 'POST',
      paths: [completePath],
      form: true,
      handle: context => complete(authentication, context),
    },
    { ...open, method: 'GET', paths: ['/sso/cli/poll/:id'], handle: context => poll(authentication, context) },
  ]
}

async function start({ login }: Authentication, { request, reply }: RouteContext): Promise<object> {
  const begun = await login.cli.start(request.clientAddress)
  const page = `${login.settings.baseUrl ?? rootOf(request, ['/sso/cli/start'])}/sso/key/generate`
  reply.header('cache-control', 'no-store')
  return {
    ...begun,
    verification_uri_complete: `${page}?${new URLSearchParams({ source: 'litellm-cli', key: begun.login_id })}`,
  }
}

async function ask(authentication: Authentication, context: RouteContext): Promise<undefined> {
  const { request, reply } = context
  const { id } = request.params as { id: string }
  const root = rootOf(request, [completePath])
  const session = await sessionOf(authentication, context)
  if (session === undefined) {
    const query = new URLSearchParams({ source: 'litellm-cli', key: id })
    reply.redirect(`${root}/sso/key/generate?${query}`, 303)
    return undefined
  }
  if (!(await authentication.login.cli.waits(id))) {
    return sendPage(
      reply,
      'Nothing to confirm',
      message('This login has ended. Begin again in the command line tool.'),
      404,
    )
  }
  return sendForm(context, session, root, undefined)
}

async function complete(authentication: Authentication, context: RouteContext): Promise<undefined> {
  const { request, reply } = context
  const { id } = request.params as { id: string }
  const { login } = authentication
  checkSameSite(request.raw.headers, ownOrigins(login.settings.baseUrl, request.raw.headers))
  const session = await sessionOf(authentication, context)
  if (session === undefined) throw new GatewayError('invalid_api_key', 'Log in first.')
  const fields = bodyOf(request)
  const cookie = sessionCookie(request.raw.headers)
  // A form cannot send a header, so the page's own value comes as a field.
  if (cookie === undefined || !sameText(textOf(fields, 'csrf_token') ?? '', csrfTokenOf(cookie))) {
    throw new GatewayError('permission_denied', 'This form was not made by this gateway. Open the page again.')
  }
  try {
    await login.cli.complete(id, textOf(fields, 'user_code') ?? '', session)
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'permission_denied') throw error
    return sendForm(context, session, rootOf(request, [completePath]), error.message)
  }
  return sendPage(reply, 'Done', message('The command line tool is logged in. You can close this page.'))
}

function sendForm(
  { request, reply }: RouteContext,
  session: Session,
  root: string,
  problem: string | undefined,
): undefined {
  const { id } = request.params as { id: string }
  const form = {
    action: `${root}/sso/cli/complete/${encodeURIComponent(id)}`,
    csrf: csrfTokenOf(sessionCookie(request.raw.headers) ?? ''),
    user: session.userId,
    problem,
  }
  return sendPage(reply, 'Log in a command line tool', codeForm(form), problem === undefined ? 200 : 403)
}

/** Reading only: what the form sends is checked by its own value. */
const sessionOf = ({ login }: Authentication, { request }: RouteContext): Promise<Session | undefined> =>
  login.authenticator.session(undefined, { ...presented(request.raw, request.clientAddress), method: 'GET' })

async function poll({ login }: Authentication, { request, reply }: RouteContext): Promise<object> {
  const { id } = request.params as { id: string }
  const { team_id: team } = request.query as { team_id?: unknown }
  const secret = request.headers['x-litellm-cli-poll-secret']
  reply.header('cache-control', 'no-store')
  return login.cli.poll(
    id,
    typeof secret === 'string' ? secret : undefined,
    typeof team === 'string' && team !== '' ? team : undefined,
    request.clientAddress,
  )
}
