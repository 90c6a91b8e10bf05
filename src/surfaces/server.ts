import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Principal } from '../governance/authentication/principal.ts'
import { keepAliveTimeout } from '../pipeline/accounting/send-body.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { STATUS_CODES } from '../platform/node-http.ts'
import type { Dialect } from '../providers/wire.ts'
import { enter, pathOf } from './entrance.ts'
import { knownError, sendError } from './error-answer.ts'
import { handOver } from './hand-over.ts'
import { jsonType, readJson, unsupportedMediaType } from './json-body.ts'
import { openaiErrorBody } from './openai/errors.ts'
import { readBody } from './read-body.ts'
import { callRoute, callsFirst, receiveCall } from './receive-call.ts'
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
      const error = new GatewayError('route_not_found', `There is nothing at ${request.method} ${pathOf(request.raw)}.`)
      sendError(gateway, reply, error, dialectOf(request), request.startedAt)
    })
    return second
  }
  handOver(app, makeSecond, gateway.log)
  callsFirst(app.server, gateway, calls, prefix)
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
      sendError(gateway, reply, error, dialectOf(request), request.startedAt)
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
  app.addContentTypeParser(jsonType, (_request, payload, done) =>
    readJson(payload, gateway.snapshot.limits.maxRequestBytes, done),
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
    sendError(gateway, reply, knownError(gateway, error, pathOf(request.raw)), dialectOf(request), request.startedAt)
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
      done(new GatewayError('method_not_allowed', `${pathOf(request.raw)} takes ${allow}, not ${request.method}.`))
    },
    handler: (_request, reply) => reply,
  })
}

function addRoute(app: FastifyInstance, gateway: Gateway, url: string, route: Route): void {
  const guarded = guardedRoute(route)
  const call = callRoute(route)
  const letIn = (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    request.startedAt = performance.now()
    request.clientAddress = gateway.snapshot.trustedProxies.clientAddress(
      request.raw.socket.remoteAddress,
      request.raw.headers['x-forwarded-for'],
    )
    const go = (principal: Principal | undefined): void => {
      request.identity = principal
      done()
    }
    const refuse = (error: unknown): void =>
      done(error instanceof Error ? error : new Error('the request cannot be let in'))
    try {
      const who = enter(gateway, guarded, request.raw, request.clientAddress)
      if (who instanceof Promise) who.then(go, refuse)
      else go(who)
    } catch (error) {
      refuse(error)
    }
  }
  const take =
    call === undefined
      ? letIn
      : (request: FastifyRequest, reply: FastifyReply): void => {
          reply.hijack()
          receiveCall(gateway, call, request.raw, reply.raw, (request.params as { '*'?: string })['*'])
        }
  app.route({
    method: route.method,
    url,
    config: { dialect: route.dialect, form: route.form === true },
    onRequest: take,
    handler: (request, reply) => {
      const result = route.handle?.({ request, reply, identity: request.identity, route: guarded })
      return result === undefined ? reply : result
    },
  })
}

/** A login form has a few short fields. */
const maxFormBytes = 16_384

function dialectOf(request: FastifyRequest): Dialect {
  const config = request.routeOptions.config as { dialect?: Dialect } | undefined
  return config?.dialect ?? (request.headers['anthropic-version'] === undefined ? 'openai' : 'anthropic')
}
