import type { Principal } from '../governance/authentication/principal.ts'
import type { Door } from '../pipeline/door.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { aliased, mayUse } from '../pipeline/identity/authorize-model.ts'
import { runCall } from '../pipeline/pipeline.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { nativeRequest } from './native-request.ts'
import type { RouteContext } from './route.ts'

/** Hands a call to the pipeline, which writes to the socket itself. */
export function serve(gateway: Gateway, door: Door, context: RouteContext, pathModel: string | undefined): undefined {
  const { request, reply, identity } = context
  if (identity === undefined) throw new GatewayError('invalid_api_key', 'No API key given.')
  if (request.body === undefined || request.body === null) {
    throw new GatewayError('invalid_json', 'The request body is empty; send a JSON object.')
  }
  reply.hijack()
  const body = nativeRequest(request)
  const run = (who: Principal): Promise<void> =>
    runCall(gateway, {
      door,
      request: request.raw,
      response: reply.raw,
      identity: who,
      route: context.route,
      address: request.clientAddress,
      body,
      pathModel,
      startedAt: request.startedAt,
    })
  const model = pathModel ?? body.json['model']
  if (identity.proof === 'jwt' && typeof model === 'string') void inTeamFor(gateway, identity, model).then(run)
  else void run(identity)
  return undefined
}

/** A bearer of several teams acts for the first that may use the model. */
function inTeamFor(gateway: Gateway, identity: Principal, model: string): Promise<Principal> {
  const { snapshot } = gateway
  const suits = (who: Principal): boolean => mayUse(snapshot, who, aliased(who, model))
  // When other teams cannot be looked up, the call goes on as it came.
  return gateway.authenticator.choose(identity, suits).catch(() => identity)
}
