import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Call } from '../call.ts'
import type { Gateway } from '../gateway.ts'
import type { Reservation } from './reservation.ts'

/**
 * Everything a call needs before it is worth sending: a place in the books, and its share of every limit. A model that
 * does not exist takes nothing; the router says so a moment later.
 * @throws GatewayError 429 with the limit; 503 when limits or books are out of reach
 */
export function reserve(gateway: Gateway, call: Call): Reservation | undefined | Promise<Reservation | undefined> {
  if (!gateway.ledger.accepting) {
    throw new GatewayError('ledger_unavailable', 'Calls cannot be recorded at the moment; try again shortly.', {
      retryAfter: 5,
    })
  }
  const { snapshot, attribution, identity, request, door } = call
  const group = snapshot.router.resolve(call.model)
  if (group === undefined) return undefined
  return gateway.reservations.reserve(snapshot.governed, {
    principal: identity,
    group,
    request: { json: request.json, text: request.text, operation: door.operation, bodyBytes: undefined },
    endUser: attribution.endUser,
    tags: attribution.tags,
    sessionId: attribution.sessionId,
  })
}
