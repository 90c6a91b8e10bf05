import type { Principal } from '../governance/authentication/principal.ts'
import type { Door } from '../pipeline/door.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { aliased, mayUse } from '../pipeline/identity/authorize-model.ts'
import { type Arrival, runCall } from '../pipeline/pipeline.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../providers/wire.ts'
import { nativeRequest } from './native-request.ts'
import type { IncomingCall } from './route.ts'

/** Hands a call to the pipeline, which writes to the socket itself. */
export function serve(gateway: Gateway, door: Door, call: IncomingCall, pathModel: string | undefined): void {
  const { identity } = call
  if (identity === undefined) throw new GatewayError('invalid_api_key', 'No API key given.')
  if (call.body === undefined) {
    throw new GatewayError('invalid_json', 'The request body is empty; send a JSON object.')
  }
  const body = nativeRequest(call.request, call.body)
  const model = pathModel ?? body.json['model']
  if (identity.proof !== 'jwt' || typeof model !== 'string') {
    void runCall(gateway, arrival(door, call, identity, body, pathModel))
    return
  }
  void inTeamFor(gateway, identity, model).then(who => runCall(gateway, arrival(door, call, who, body, pathModel)))
}

const arrival = (
  door: Door,
  { request, response, route, address, startedAt }: IncomingCall,
  identity: Principal,
  body: NativeRequest,
  pathModel: string | undefined,
): Arrival => ({ door, request, response, identity, route, address, body, pathModel, startedAt })

/** A bearer of several teams acts for the first that may use the model. */
function inTeamFor(gateway: Gateway, identity: Principal, model: string): Promise<Principal> {
  const { snapshot } = gateway
  const suits = (who: Principal): boolean => mayUse(snapshot, who, aliased(who, model))
  // When other teams cannot be looked up, the call goes on as it came.
  return gateway.authenticator.choose(identity, suits).catch(() => identity)
}
