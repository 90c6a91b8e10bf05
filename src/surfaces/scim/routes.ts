import type { FastifyReply } from 'fastify'
import type { Authentication } from '../../governance/authentication/authentication.ts'
import {
  byId,
  listResponse,
  resourceTypes,
  schemas,
  serviceProviderConfig,
} from '../../governance/authentication/scim/discovery.ts'
import { ScimGroups } from '../../governance/authentication/scim/groups.ts'
import { ScimError } from '../../governance/authentication/scim/scim-error.ts'
import type { ScimCall, ScimServices } from '../../governance/authentication/scim/scim-services.ts'
import { ScimUsers } from '../../governance/authentication/scim/users.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { actorOf } from '../api-route.ts'
import type { Method, Route, RouteContext } from '../route.ts'

const root = '/scim/v2'

/** What a handler gets: the call, and the parts of the request. */
interface ScimInput {
  readonly call: ScimCall
  readonly id: string
  readonly query: unknown
  readonly body: unknown
}

interface ScimAnswer {
  readonly status?: number
  readonly resource?: object
}

/** SCIM 2.0 (RFC 7643, 7644) for identity providers: users and groups, which are users and teams here. */
export function scimRoutes(authentication: Authentication): Route[] {
  const services: ScimServices = {
    plane: authentication.login.plane,
    clock: authentication.login.clock,
    newcomers: () => authentication.login.newcomers,
    upsertUsers: () => authentication.login.scim.upsertUsers(),
    adminGroup: () => authentication.login.scim.adminGroup(),
  }
  const users = new ScimUsers(services)
  const groups = new ScimGroups(services)
  const route = (
    method: Method,
    path: string,
    answer: (input: ScimInput) => Promise<ScimAnswer> | ScimAnswer,
  ): Route => ({
    method,
    paths: [root + path],
    // A key of an administrator; one made for SCIM has allowed_routes: ["/scim/*"].
    permission: 'admin',
    groups: ['scim_routes'],
    dialect: 'openai',
    handle: context => handle(authentication, context, answer),
  })
  return [
    ...(['Users', 'Groups'] as const).flatMap(kind => {
      const of = kind === 'Users' ? users : groups
      return [
        route('GET', `/${kind}`, async ({ query, call }) => ({ resource: await of.list(query, call) })),
        route('POST', `/${kind}`, async ({ body, call }) => ({ status: 201, resource: await of.create(body, call) })),
        route('GET', `/${kind}/:id`, async ({ id, query, call }) => ({ resource: await of.get(id, query, call) })),
        route('PUT', `/${kind}/:id`, async ({ id, body, call }) => ({ resource: await of.replace(id, body, call) })),
        route('PATCH', `/${kind}/:id`, async ({ id, body, call }) => ({ resource: await of.patch(id, body, call) })),
        route('DELETE', `/${kind}/:id`, async ({ id, call }) => {
          await of.delete(id, call)
          return { status: 204 }
        }),
      ]
    }),
    route('GET', '/ServiceProviderConfig', ({ call }) => ({ resource: serviceProviderConfig(call.base) })),
    route('GET', '/ResourceTypes', ({ call }) => ({ resource: whole(resourceTypes(call.base)) })),
    route('GET', '/ResourceTypes/:id', ({ id, call }) => ({ resource: byId(resourceTypes(call.base), id) })),
    route('GET', '/Schemas', ({ call }) => ({ resource: whole(schemas(call.base)) })),
    route('GET', '/Schemas/:id', ({ id, call }) => ({ resource: byId(schemas(call.base), id) })),
  ]
}

const whole = (list: readonly object[]): object => listResponse(list, list.length, 1)

async function handle(
  { login }: Authentication,
  { request, reply, identity }: RouteContext,
  answer: (input: ScimInput) => Promise<ScimAnswer> | ScimAnswer,
): Promise<undefined> {
  if (identity === undefined) throw new GatewayError('invalid_api_key', 'No API key given.')
  const { id = '' } = request.params as { id?: string }
  const mounted = request.routeOptions.url ?? root
  const prefix = mounted.slice(0, mounted.indexOf(root))
  const base = `${login.settings.baseUrl ?? `${request.protocol}://${request.headers.host ?? 'localhost'}${prefix}`}${root}`
  const ifMatch = request.headers['if-match']
  const body = request.body as { readonly json?: unknown } | null | undefined
  try {
    const { status = 200, resource } = await answer({
      call: { actor: actorOf(identity, request), base, ifMatch },
      id,
      query: request.query,
      body: body?.json,
    })
    send(reply, status, resource)
  } catch (error) {
    const known = scimErrorOf(error)
    if (known === undefined) throw error
    send(reply, known.status, known.body)
  }
  return undefined
}

function scimErrorOf(error: unknown): ScimError | undefined {
  if (error instanceof ScimError) return error
  return error instanceof GatewayError && error.status < 500 ? new ScimError(error.status, error.message) : undefined
}

function send(reply: FastifyReply, status: number, resource: object | undefined): void {
  reply.code(status)
  if (resource === undefined) {
    reply.send()
    return
  }
  const { location, version } = ((resource as { meta?: object }).meta ?? {}) as { location?: string; version?: string }
  if (status === 201 && location !== undefined) reply.header('location', location)
  if (version !== undefined) reply.header('etag', version)
  reply.type('application/scim+json; charset=utf-8').send(JSON.stringify(resource))
}
