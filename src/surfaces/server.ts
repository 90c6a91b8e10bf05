import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Principal } from '../governance/authentication/principal.ts'
import { refusal } from '../governance/authorization/permission.ts'
import type { ReachedRoute } from '../governance/authorization/policy/access-control.ts'
import { keepAliveTimeout } from '../pipeline/accounting/send-body.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { presentedCredential } from '../pipeline/identity/credentials.ts'
import { nobody } from '../pipeline/identity/nobody.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { newId } from '../platform/ids.ts'
import { STATUS_CODES } from '../platform/node-http.ts'
import { StateUnavailable } from '../platform/shared-state/shared-state.ts'
import { StoreUnavailable } from '../platform/store/store.ts'
import type { Dialect } from '../providers/wire.ts'
import { anthropicErrorBody } from './anthropic/errors.ts'
import { handOver } from './hand-over.ts'
import { openaiErrorBody } from './openai/errors.ts'
import { presented } from './presented.ts'
import { readBody } from './read-body.ts'
import { guardedRoute, type Route } from './route.ts'
import type { RouteServices } from './route-services.ts'
import { callRoutes, controlRoutes } from './routes.ts'

declare module 'fastify' {
  interface FastifyRequest {
    identity: Principal | undefined
    /** Where the call comes from, trusted proxies taken into account. */
    clientAddress: string
    /** Monotonic milliseconds at which the request head was read. */
    startedAt: number
  }
}

const allMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** What Node's parser gave up on, other than bytes that are no HTTP at all. */
const brokenRequests: Readonly<Record<string, readonly [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The request headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not arrive in time.'],
}

/** The HTTP server: calls at once, everything else through a second server that is made when it is asked for. */
export function createServer(services: RouteServices, prefix = ''): FastifyInstance {
  const { gateway } = services
  const calls = callRoutes(services)
  const app = serverFor(gateway, calls, prefix)
  const makeSecond = async (): Promise<FastifyInstance> => {
    const second = serverFor(gateway, await controlRoutes(services, calls), prefix)
    second.setNotFoundHandler((request, reply) => {
      const error = new GatewayError('route_not_found', `There is nothing at ${request.method} ${pathOf(request)}.`)
      sendError(gateway, request, reply, error, dialectOf(request))
    })
    return second
  }
  handOver(app, makeSecond, gateway.log)
  return app
}

/** Routing, authentication, body parsing and errors in the caller's dialect. */
function serverFor(gateway: Gateway, routes: readonly Route[], prefix: string): FastifyInstance {
  const app = Fastify({
    logger: false,
    // Clients keep connections open for a minute or more; closing earlier races with their next request.
    keepAliveTimeout,
    requestTimeout: 300_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
    // Errors before routing: a path that cannot be decoded. No hook has run for such a request.
    frameworkErrors(_error, request, reply) {
      request.startedAt = performance.now()
      const error = new GatewayError('invalid_request', 'The path of the request is not a valid URL.')
      sendError(gateway, request, reply, error, dialectOf(request))
    },
    clientErrorHandler(error, socket) {
      if (!socket.writable || socket.bytesWritten > 0) {
        socket.destroy()
        return
      }
      const [status, message] = brokenRequests[error.code ?? ''] ?? [400, 'This is not a valid HTTP request.']
      const body = openaiErrorBody(new GatewayError('invalid_request', message))
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
          `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      )
    },
  })
  app.decorateRequest('identity', undefined)
  app.decorateRequest('startedAt', 0)
  app.decorateRequest('clientAddress', '')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(/^application\/(?:[\w.+-]+\+)?json(?:;|$)/i, (_request, payload, done) =>
    readBody(payload, gateway.snapshot.limits.maxRequestBytes, (error, text) =>
      error === null ? parseBody(text, done) : done(error),
    ),
  )
  app.addContentTypeParser('application/x-www-form-urlencoded', (request, payload, done) => {
    const { form } = request.routeOptions.config as { form?: boolean }
    if (form !== true) {
      done(unsupportedMediaType())
      return
    }
    readBody(payload, maxFormBytes, (error, text) =>
      error === null ? done(null, { json: Object.fromEntries(new URLSearchParams(text)), text }) : done(error),
    )
  })
  const byUrl = new Map<string, Route[]>()
  for (const route of routes) {
    for (const path of route.paths) {
      const url = prefix + path
      byUrl.set(url, [...(byUrl.get(url) ?? []), route])
    }
  }
  for (const [url, sharing] of byUrl) addUrl(app, gateway, url, sharing)
  app.setErrorHandler((error: FastifyError | GatewayError, request, reply) => {
    sendError(gateway, request, reply, knownError(gateway, error, request), dialectOf(request))
  })
  return app
}

/** Adds the routes of one URL, and the answer to every other method. */
function addUrl(app: FastifyInstance, gateway: Gateway, url: string, routes: readonly Route[]): void {
  for (const route of routes) addRoute(app, gateway, url, route)
  const taken = new Set<string>(routes.map(route => route.method))
  if (taken.has('GET')) taken.add('HEAD')
  const allow = routes.map(route => route.method).join(', ')
  const dialect = routes[0]?.dialect ?? 'openai'
  app.route({
    method: allMethods.filter(method => !taken.has(method)),
    url,
    config: { dialect },
    // The body of a refused method is not read.
    onRequest: (request, reply, done) => {
      request.startedAt = performance.now()
      reply.header('allow', allow)
      done(new GatewayError('method_not_allowed', `${pathOf(request)} takes ${allow}, not ${request.method}.`))
    },
    handler: (_request, reply) => reply,
  })
}

function addRoute(app: FastifyInstance, gateway: Gateway, url: string, route: Route): void {
  const guarded = guardedRoute(route)
  const enter = (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    request.startedAt = performance.now()
    request.clientAddress = gateway.snapshot.trustedProxies.clientAddress(
      request.raw.socket.remoteAddress,
      request.raw.headers['x-forwarded-for'],
    )
    const { access } = gateway
    if (access.active) {
      const refused = access.atDoor(guarded, request.clientAddress)
      if (refused !== undefined) {
        done(refused)
        return
      }
    }
    if (route.permission === 'public') {
      done()
      return
    }
    const who = access.active && access.isPublic(guarded) ? orNobody(gateway, request) : whoIs(gateway, request)
    if (who instanceof GatewayError) done(who)
    else if (who instanceof Promise) {
      who.then(
        principal => done(admit(gateway, request, guarded, principal)),
        error => done(error instanceof Error ? error : new Error('authentication failed')),
      )
    } else done(admit(gateway, request, guarded, who))
  }
  app.route({
    method: route.method,
    url,
    config: { dialect: route.dialect, form: route.form === true },
    onRequest: enter,
    handler: (request, reply) => {
      const result = route.handle({ request, reply, identity: request.identity, route: guarded })
      return result === undefined ? reply : result
    },
  })
}

function whoIs(gateway: Gateway, request: FastifyRequest): Principal | Promise<Principal> | GatewayError {
  try {
    return gateway.authenticator.authenticate(gateway.snapshot.keys, presented(request))
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}

/** On a route of `public_routes`: whoever shows nothing is nobody, and may do what nobody may. */
async function orNobody(gateway: Gateway, request: FastifyRequest): Promise<Principal> {
  const { keys } = gateway.snapshot
  try {
    return await gateway.authenticator.authenticate(keys, presented(request))
  } catch (error) {
    const shown = presentedCredential(request.raw.headers, keys.extraHeader)
    if (shown === undefined && error instanceof GatewayError && error.code === 'invalid_api_key') return nobody
    throw error
  }
}

/** The caller is known; may it use this route? */
function admit(
  gateway: Gateway,
  request: FastifyRequest,
  route: ReachedRoute,
  principal: Principal,
): GatewayError | undefined {
  request.identity = principal
  const reason = refusal(principal, route)
  if (reason !== undefined) {
    gateway.denied(principal, request.clientAddress, route, reason)
    return new GatewayError('permission_denied', `${pathOf(request)} is not allowed for this key: ${reason}.`)
  }
  if (!gateway.access.active) return undefined
  const refused = gateway.access.atRoute(principal, route, request.clientAddress)
  if (refused?.status === 403) gateway.denied(principal, request.clientAddress, route, refused.message)
  return refused
}

/** A login form has a few short fields. */
const maxFormBytes = 16_384

const unsupportedMediaType = (): GatewayError =>
  new GatewayError('unsupported_media_type', 'Send the body as content-type: application/json.')

function parseBody(text: string, done: (error: Error | null, body?: unknown) => void): void {
  // No body, whatever its announced type: routes that need one say so themselves.
  if (text === '') {
    done(null, undefined)
    return
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    const detail = error instanceof Error ? safeDetail(error.message) : 'it cannot be parsed'
    done(new GatewayError('invalid_json', `The request body is not valid JSON: ${detail}.`))
    return
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    done(new GatewayError('invalid_request', 'The request body must be a JSON object.'))
    return
  }
  done(null, { json, text })
}

/** The parser quotes the text around the fault; callers may have secrets there, so only the position is kept. */
function safeDetail(message: string): string {
  const position = /position (\d+)/.exec(message)
  return position === null
    ? 'it ends too early or has a stray character'
    : `unexpected character at position ${position[1]}`
}

function pathOf(request: FastifyRequest): string {
  const query = request.url.indexOf('?')
  return (query < 0 ? request.url : request.url.slice(0, query)).slice(0, 200)
}

function dialectOf(request: FastifyRequest): Dialect {
  const config = request.routeOptions.config as { dialect?: Dialect } | undefined
  return config?.dialect ?? (request.headers['anthropic-version'] === undefined ? 'openai' : 'anthropic')
}

function knownError(gateway: Gateway, error: FastifyError | GatewayError, request: FastifyRequest): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof StoreUnavailable || error instanceof StateUnavailable) {
    return new GatewayError('store_unavailable', 'The store is out of reach; nothing was changed. Try again shortly.', {
      retryAfter: 2,
    })
  }
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_CONTENT_TYPE':
      return unsupportedMediaType()
  }
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500)
    return new GatewayError('invalid_request', 'The request cannot be read.', { status })
  gateway.log.error({ err: error, path: pathOf(request) }, 'unexpected error in a request')
  return new GatewayError(
    'internal_error',
    'The gateway failed to handle this request; the operator finds details in its log.',
  )
}

function sendError(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  error: GatewayError,
  dialect: Dialect,
): void {
  const id = newId()
  gateway.metrics
    .group(undefined)
    .finished(error.status, request.startedAt === 0 ? 0 : performance.now() - request.startedAt, 0, error.code)
  if (error.retryAfter !== undefined) reply.header('retry-after', String(Math.ceil(error.retryAfter)))
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  reply
    .code(error.status)
    .header('x-litellm-call-id', id)
    .type('application/json')
    .send(dialect === 'anthropic' ? anthropicErrorBody(error, id) : openaiErrorBody(error))
}
