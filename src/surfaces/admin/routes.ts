import type { Gateway } from '../../pipeline/gateway.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Fleet } from '../fleet.ts'
import { presented } from '../presented.ts'
import type { Route, RouteContext } from '../route.ts'

export function adminRoutes(gateway: Gateway, fleet: Fleet): Route[] {
  return [
    {
      method: 'POST',
      paths: ['/config/reload'],
      permission: 'admin',
      dialect: 'openai',
      handle: context => reload(fleet, context),
    },
    {
      method: 'GET',
      paths: ['/v1/routeiq/explain/:id'],
      permission: 'llm',
      dialect: 'openai',
      handle: context => explain(fleet, context),
    },
    {
      method: 'GET',
      paths: ['/metrics'],
      permission: 'public',
      dialect: 'openai',
      handle: context => metrics(gateway, fleet, context),
    },
  ]
}

/** 200 with the version in force, or 400 with every reason why the new configuration was refused. */
async function reload(fleet: Fleet, { reply }: RouteContext): Promise<object> {
  const result = await fleet.reload()
  const config = { version: result.version, hash: result.hash }
  if (result.applied) return { status: 'applied', config, warnings: result.warnings }
  reply.code(400)
  return {
    error: {
      message: `The configuration was not applied; version ${result.version} stays in force. ${result.problems.join(' ')}`,
      type: 'invalid_request_error',
      param: null,
      code: 'config_invalid',
    },
    config,
    problems: result.problems,
  }
}

async function explain(fleet: Fleet, { request, identity }: RouteContext): Promise<object> {
  const { id } = request.params as { id: string }
  const found = identity === undefined ? undefined : await fleet.explain(id, identity.keyHash)
  if (found === undefined) {
    throw new GatewayError('not_found', 'No call of yours with this id is remembered; only the latest calls are kept.')
  }
  return found
}

/** Permission depends on the configuration (`require_auth_for_metrics_endpoint`), so it is checked here. */
async function metrics(gateway: Gateway, fleet: Fleet, { request, reply }: RouteContext): Promise<string> {
  const { snapshot } = gateway
  if (snapshot.metricsNeedKey) {
    const principal = await gateway.authenticator.authenticate(
      snapshot.keys,
      presented(request.raw, request.clientAddress),
    )
    if (principal.role !== 'proxy_admin' && principal.role !== 'proxy_admin_viewer') {
      throw new GatewayError('permission_denied', 'Metrics of the whole gateway are for administrators.')
    }
  }
  reply.type('text/plain; version=0.0.4; charset=utf-8')
  return fleet.metrics()
}
