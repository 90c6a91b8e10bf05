import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Principal } from '../governance/authentication/principal.ts'
import type { ReachedRoute } from '../governance/authorization/policy/access-control.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { enter, pathOf } from './entrance.ts'
import { answerError, knownError } from './error-answer.ts'
import { type JsonBody, mayBeJson, readJson, unsupportedMediaType } from './json-body.ts'
import { guardedRoute, type IncomingCall, type Route } from './route.ts'

/** A route that answers itself (`Route.answer`), made ready. */
export interface CallRoute {
  readonly guarded: ReachedRoute
  readonly dialect: Route['dialect']
  readonly answer: (call: IncomingCall) => void
}

/** Undefined: the framework answers for it. */
export function callRoute(route: Route): CallRoute | undefined {
  const { answer, dialect } = route
  return answer === undefined ? undefined : { guarded: guardedRoute(route), dialect, answer }
}

/**
 * From the head of a request to the pipeline: who comes, may it, what does it say. Everything of a call goes through
 * here, and nothing of a framework, whose request, reply and hooks a call has no use for (ADR 0006).
 * @param rest what stands for the `*` of the path
 */
export function receiveCall(
  gateway: Gateway,
  route: CallRoute,
  request: IncomingMessage,
  response: ServerResponse,
  rest = '',
): void {
  const startedAt = performance.now()
  const address = gateway.snapshot.trustedProxies.clientAddress(
    request.socket.remoteAddress,
    request.headers['x-forwarded-for'],
  )
  const refuse = (error: unknown): void =>
    answerError(gateway, response, knownError(gateway, error, pathOf(request)), route.dialect, startedAt)
  const read = (identity: Principal | undefined): void => {
    if (!mayBeJson(request.headers)) {
      refuse(unsupportedMediaType())
      return
    }
    readJson(request, gateway.snapshot.limits.maxRequestBytes, (error, body?: JsonBody) => {
      if (error !== null) {
        refuse(error)
        return
      }
      try {
        route.answer({ request, response, identity, route: route.guarded, address, startedAt, body, rest })
      } catch (failure) {
        refuse(failure)
      }
    })
  }
  try {
    const who = enter(gateway, route.guarded, request, address)
    if (who instanceof Promise) who.then(read, refuse)
    else read(who)
  } catch (error) {
    refuse(error)
  }
}

/** Calls whose path is written in full reach their route without the framework; it gets everything else. */
export function callsFirst(server: Server, gateway: Gateway, routes: readonly Route[], prefix: string): void {
  const exact = new Map<string, CallRoute>()
  for (const route of routes) {
    const call = callRoute(route)
    if (call === undefined || route.method !== 'POST') continue
    for (const path of route.paths) if (!/[:*]/.test(path)) exact.set(prefix + path, call)
  }
  const others = server.listeners('request') as RequestListener[]
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const route = request.method === 'POST' ? exact.get(request.url ?? '') : undefined
    if (route === undefined) {
      for (const listener of others) listener(request, response)
      return
    }
    // The process is about to end: as the framework says it.
    if (!server.listening) response.setHeader('connection', 'close')
    receiveCall(gateway, route, request, response)
  })
}
