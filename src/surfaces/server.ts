import { STATUS_CODES } from 'node:http'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Gateway } from '../pipeline/gateway.ts'
import type { Identity } from '../pipeline/identity/master-key.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { newId } from '../platform/ids.ts'
import type { Dialect } from '../providers/wire.ts'
import { adminRoutes } from './admin/routes.ts'
import { anthropicErrorBody } from './anthropic/errors.ts'
import { anthropicRoutes } from './anthropic/routes.ts'
import type { Fleet } from './fleet.ts'
import { healthRoutes } from './health/routes.ts'
import { openaiErrorBody } from './openai/errors.ts'
import { openaiRoutes } from './openai/routes.ts'
import { readBody } from './read-body.ts'
import type { Route } from './route.ts'

declare module 'fastify' {
  interface FastifyRequest {
    identity: Identity | undefined
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

/** Every route of the gateway, for the server and for tests that walk them. */
export function routesOf(gateway: Gateway, fleet: Fleet): readonly Route[] {
  return [
    ...openaiRoutes(gateway),
    ...anthropicRoutes(gateway),
    ...healthRoutes(gateway),
    ...adminRoutes(gateway, fleet),
  ]
}

/** The HTTP server: routing, authentication, body parsing and errors in the caller's dialect. */
export function createServer(
  gateway: Gateway,
  fleet: Fleet,
  options: { readonly prefix?: string } = {},
): FastifyInstance {
  const app = Fastify({
    logger: false,
    // Clients keep connections open for a minute or more; closing earlier races with their next request.
    keepAliveTimeout: 75_000,
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
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(/^application\/(?:[\w.+-]+\+)?json(?:;|$)/i, (_request, payload, done) =>
    readBody(payload, gateway.snapshot.limits.maxRequestBytes, (error, text) =>
      error === null ? parseBody(text, done) : done(error),
    ),
  )
  for (const route of routesOf(gateway, fleet)) addRoute(app, gateway, route, options.prefix ?? '')
  app.setNotFoundHandler((request, reply) => {
    const error = new GatewayError('route_not_found', `There is nothing at ${request.method} ${pathOf(request)}.`)
    sendError(gateway, request, reply, error, dialectOf(request))
  })
  app.setErrorHandler((error: FastifyError | GatewayError, request, reply) => {
    sendError(gateway, request, reply, knownError(gateway, error, request), dialectOf(request))
  })
  return app
}

function addRoute(app: FastifyInstance, gateway: Gateway, route: Route, prefix: string): void {
  if (route.permission === undefined) throw new Error(`route ${route.paths[0]} declares no permission`)
  const isPublic = route.permission === 'public'
  const enter = (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    request.startedAt = performance.now()
    if (!isPublic) {
      request.identity = gateway.snapshot.masterKey.authenticate(request.raw.headers)
      if (request.identity === undefined) {
        done(unauthenticated(gateway, request))
        return
      }
    }
    done()
  }
  for (const path of route.paths) {
    const url = prefix + path
    app.route({
      method: route.method,
      url,
      config: { dialect: route.dialect },
      onRequest: enter,
      handler: (request, reply) => {
        const result = route.handle({ request, reply, identity: request.identity })
        return result === undefined ? reply : result
      },
    })
    const others = allMethods.filter(
      method =>
        method !== route.method && !(route.method === 'GET' && method === 'HEAD') && !app.hasRoute({ method, url }),
    )
    app.route({
      method: [...others],
      url,
      config: { dialect: route.dialect },
      handler: (request, reply) => {
        reply.header('allow', route.method)
        const message = `${pathOf(request)} takes ${route.method}, not ${request.method}.`
        sendError(gateway, request, reply, new GatewayError('method_not_allowed', message), route.dialect)
        return reply
      },
      // The body of a refused method is not read.
      onRequest: (request, reply, done) => {
        reply.header('allow', route.method)
        done(new GatewayError('method_not_allowed', `${pathOf(request)} takes ${route.method}, not ${request.method}.`))
      },
    })
  }
}

function unauthenticated(gateway: Gateway, request: FastifyRequest): GatewayError {
  const presented = gateway.snapshot.masterKey.presented(request.raw.headers) !== undefined
  return new GatewayError(
    'invalid_api_key',
    presented
      ? 'This API key is not valid here.'
      : 'No API key given. Send the gateway key as `Authorization: Bearer sk-…`.',
  )
}

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
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_CONTENT_TYPE':
      return new GatewayError('unsupported_media_type', 'Send the body as content-type: application/json.')
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
