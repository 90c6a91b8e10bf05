import type { IncomingMessage } from 'node:http'
import type { Principal } from '../governance/authentication/principal.ts'
import { refusal } from '../governance/authorization/permission.ts'
import type { ReachedRoute } from '../governance/authorization/policy/access-control.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { presentedCredential } from '../pipeline/identity/credentials.ts'
import { nobody } from '../pipeline/identity/nobody.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { presented } from './presented.ts'

/**
 * Who comes to a route, let in. At once, unless somebody has to be looked up.
 * @param address where the request comes from, trusted proxies taken into account
 * @returns undefined on public routes
 * @throws GatewayError the route is not for whoever comes, or not from there
 */
export function enter(
  gateway: Gateway,
  route: ReachedRoute,
  request: IncomingMessage,
  address: string,
): Principal | undefined | Promise<Principal | undefined> {
  const { access } = gateway
  if (access.active) {
    const refused = access.atDoor(route, address)
    if (refused !== undefined) throw refused
  }
  if (route.permission === 'public') return undefined
  const who =
    access.active && access.isPublic(route)
      ? orNobody(gateway, request, address)
      : gateway.authenticator.authenticate(gateway.snapshot.keys, presented(request, address))
  return who instanceof Promise
    ? who.then(principal => admitted(gateway, request, address, route, principal))
    : admitted(gateway, request, address, route, who)
}

/** On a route of `public_routes`: whoever shows nothing is nobody, and may do what nobody may. */
async function orNobody(gateway: Gateway, request: IncomingMessage, address: string): Promise<Principal> {
  const { keys } = gateway.snapshot
  try {
    return await gateway.authenticator.authenticate(keys, presented(request, address))
  } catch (error) {
    const shown = presentedCredential(request.headers, keys.extraHeader)
    if (shown === undefined && error instanceof GatewayError && error.code === 'invalid_api_key') return nobody
    throw error
  }
}

/** The caller is known; may it use this route? */
function admitted(
  gateway: Gateway,
  request: IncomingMessage,
  address: string,
  route: ReachedRoute,
  principal: Principal,
): Principal {
  const reason = refusal(principal, route)
  if (reason !== undefined) {
    gateway.denied(principal, address, route, reason)
    throw new GatewayError('permission_denied', `${pathOf(request)} is not allowed for this key: ${reason}.`)
  }
  if (!gateway.access.active) return principal
  const refused = gateway.access.atRoute(principal, route, address)
  if (refused === undefined) return principal
  if (refused.status === 403) gateway.denied(principal, address, route, refused.message)
  throw refused
}

/** Without its query, and no longer than an error message should be. */
export function pathOf({ url = '' }: Pick<IncomingMessage, 'url'>): string {
  const query = url.indexOf('?')
  return (query < 0 ? url : url.slice(0, query)).slice(0, 200)
}
