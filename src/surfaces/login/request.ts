import type { FastifyRequest } from 'fastify'
import { GatewayError } from '../../platform/errors/gateway-error.ts'

/** The bearer token of a request, for routes that are public and look for themselves. */
export function bearerOf(request: FastifyRequest): string | undefined {
  const own = request.headers['x-litellm-api-key'] ?? request.headers.authorization
  return typeof own === 'string' && own !== '' ? own.replace(/^bearer /i, '').trim() : undefined
}

const thisMachine = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/**
 * Where people reach the gateway: `PROXY_BASE_URL`, or the address in the request when that is this machine. Any other
 * `Host` could be of an attacker's choosing, and links made of it would lead there.
 * @param path of the route as declared, to find the prefix the gateway runs under
 * @throws GatewayError `config_invalid`
 */
export function baseUrlOf(request: FastifyRequest, configured: string | undefined, path: string): string {
  if (configured !== undefined) return configured
  const host = request.headers.host ?? ''
  if (!thisMachine.test(host)) {
    throw new GatewayError(
      'config_invalid',
      'Set PROXY_BASE_URL to the public address of this gateway: logins must know where to come back to.',
    )
  }
  const mounted = request.routeOptions.url ?? path
  return `${request.protocol}://${host}${mounted.endsWith(path) ? mounted.slice(0, -path.length) : ''}`
}

/** Whether cookies may be marked as only for TLS. */
export const isSecure = (request: FastifyRequest, configured: string | undefined): boolean =>
  configured === undefined ? request.protocol === 'https' : configured.startsWith('https:')

/** Fields of a JSON body or a form. */
export function bodyOf(request: FastifyRequest): Readonly<Record<string, unknown>> {
  const body = request.body as { readonly json?: Record<string, unknown> } | undefined | null
  return body?.json ?? {}
}

export function textOf(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = fields[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** @throws GatewayError `missing_field` */
export function requiredText(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = textOf(fields, name)
  if (value === undefined) throw new GatewayError('missing_field', `'${name}' is required.`, { param: name })
  return value
}
