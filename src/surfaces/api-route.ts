import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Actor } from '../governance/audit/audit-log.ts'
import type { Principal } from '../governance/authentication/principal.ts'
import type { Permission } from '../governance/authorization/permission.ts'
import type { Reach } from '../governance/authorization/policy/access-control.ts'
import type { RouteGroup } from '../governance/authorization/route-groups.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { Method, Route } from './route.ts'

export interface ApiInput<P, Q, B> {
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly principal: Principal
  /** The caller as the audit log names it. */
  readonly actor: Actor
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

export interface ApiRoute<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  B extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
> {
  readonly method: Method
  readonly paths: readonly string[]
  /** Not `public`: such routes are declared as plain `Route`s. */
  readonly permission: Exclude<Permission, 'public'>
  readonly groups?: readonly RouteGroup[]
  readonly writes?: boolean
  readonly anywhere?: Reach
  readonly summary: string
  readonly description?: string
  readonly tag: string
  /** Path parameters. */
  readonly params?: P
  /** Query string; values arrive as text, so numbers and flags need `z.coerce` or `flag` below. */
  readonly query?: Q
  /** JSON body. Unknown fields are dropped by `z.object` and named in the header `x-routeiq-ignored-fields`. */
  readonly body?: B
  /** Shape of the answer; documented, not enforced at run time. */
  readonly response: R
  readonly status?: number
  readonly handle: (input: ApiInput<z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.input<R>> | z.input<R>
}

/** A flag in a query string. */
export const queryFlag = z
  .enum(['true', 'false', '1', '0', 'True', 'False'])
  .transform(text => /^(true|1)$/i.test(text))

/** `page` and `page_size`/`size` as LiteLLM bounds them. */
export const pageNumber = z.coerce.number().int().min(1).max(1_000_000).default(1)
export const pageSize = (byDefault: number, most = 100): z.ZodDefault<z.ZodCoercedNumber> =>
  z.coerce.number().int().min(1).max(most).default(byDefault)

/** A management route: input checked by its schemas, errors naming the field, documented by the same schemas. */
export function apiRoute<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  route: ApiRoute<P, Q, B, R>,
): Route {
  return {
    method: route.method,
    paths: route.paths,
    permission: route.permission,
    ...(route.groups === undefined ? {} : { groups: route.groups }),
    ...(route.writes === undefined ? {} : { writes: route.writes }),
    ...(route.anywhere === undefined ? {} : { anywhere: route.anywhere }),
    dialect: 'openai',
    api: {
      summary: route.summary,
      description: route.description,
      tag: route.tag,
      params: route.params,
      query: route.query,
      body: route.body,
      response: route.response,
      status: route.status,
    },
    async handle({ request, reply, identity }) {
      if (identity === undefined) throw new GatewayError('invalid_api_key', 'No API key given.')
      const json = bodyOf(request)
      const input: ApiInput<z.output<P>, z.output<Q>, z.output<B>> = {
        params: checked(route.params, request.params, 'path'),
        query: checked(route.query, request.query, 'query'),
        body: checked(route.body, json, 'body'),
        principal: identity,
        actor: actorOf(identity, request),
        request,
        reply,
      }
      const ignored = ignoredFields(json, input.body)
      if (ignored.length > 0) reply.header('x-routeiq-ignored-fields', ignored.join(', ').slice(0, 1000))
      const result = await route.handle(input)
      if (reply.sent) return undefined
      if (route.status !== undefined) reply.code(route.status)
      return result
    },
  }
}

/** Who acts, for the audit log. */
export function actorOf(principal: Principal, request: FastifyRequest): Actor {
  const behalf = request.headers['litellm-changed-by']
  return {
    name:
      principal.userId ??
      (principal.proof === 'master_key' ? 'master_key' : `key:${principal.keyAlias ?? principal.keyHash}`),
    token: principal.proof === 'master_key' ? undefined : principal.token,
    address: request.clientAddress,
    onBehalfOf: typeof behalf === 'string' ? behalf.slice(0, 200) : undefined,
  }
}

function bodyOf(request: FastifyRequest): Record<string, unknown> {
  const body = request.body as { readonly json?: Record<string, unknown> } | undefined | null
  return body?.json ?? {}
}

function checked<T extends z.ZodType>(schema: T | undefined, value: unknown, where: string): z.output<T> {
  if (schema === undefined) return undefined as z.output<T>
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [first] = result.error.issues
  const param = first?.path.join('.') ?? ''
  const more = result.error.issues.length > 1 ? ` (and ${result.error.issues.length - 1} more)` : ''
  throw new GatewayError(
    'invalid_request',
    param === ''
      ? `The ${where} is not valid: ${first?.message ?? 'unknown reason'}${more}.`
      : `'${param}' in the ${where} is not valid: ${first?.message ?? 'unknown reason'}${more}.`,
    { param: param === '' ? undefined : param },
  )
}

/** Fields a client sent that the schema does not know: said, not refused, since clients of other versions send more. */
function ignoredFields(sent: Record<string, unknown>, taken: unknown): string[] {
  if (typeof taken !== 'object' || taken === null) return []
  return Object.keys(sent)
    .filter(name => !Object.hasOwn(taken, name) && sent[name] !== undefined && sent[name] !== null)
    .slice(0, 20)
    .map(name => name.replaceAll(/[^\w.-]/g, '?').slice(0, 60))
}
