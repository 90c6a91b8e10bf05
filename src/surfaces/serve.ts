import type { Door } from '../pipeline/door.ts'
import type { Gateway } from '../pipeline/gateway.ts'
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
  void runCall(gateway, {
    door,
    request: request.raw,
    response: reply.raw,
    identity,
    address: request.clientAddress,
    body: nativeRequest(request),
    pathModel,
    startedAt: request.startedAt,
  })
  return undefined
}
