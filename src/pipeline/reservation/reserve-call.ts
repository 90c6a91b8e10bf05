import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Gateway } from '../gateway.ts'
import type { ModelGroup } from '../routing/types.ts'
import type { Reservation } from './reservation.ts'
import type { Reserving } from './reserve.ts'

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
  const group = call.snapshot.router.resolve(call.model)
  if (group === undefined) return undefined
  return gateway.reservations.reserve(call.snapshot.governed, reserving(call, group, call.request))
}

/**
 * The call leaves its group for another: what it had reserved goes back, and the other group's limits and prices are
 * asked, unless `enforce_fallback_budget` is off.
 * @returns why the other group cannot take it; undefined when it can
 */
export async function reserveFallback(
  gateway: Gateway,
  call: Call,
  group: ModelGroup,
  request: NativeRequest,
): Promise<GatewayError | undefined> {
  try {
    const { governed } = call.snapshot
    call.reservation = await gateway.reservations.again(governed, reserving(call, group, request), call.reservation)
    return undefined
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}

/** Whether limits may speak of the model that serves a call to this group, and not of the group. */
export function servedIsLimited({ snapshot, identity, attribution }: Call, { strategy }: ModelGroup): boolean {
  if (strategy === undefined) return false
  if (attribution.endUser !== undefined || attribution.tags.length > 0) return true
  return snapshot.governed.planner.differsByModel(identity)
}

/**
 * The caller's share of the limits that speak of the model behind a virtual name, for one attempt at it.
 * @returns undefined: there are none that the call does not hold already
 * @throws GatewayError 429 with the limit; 403 for a model without a price; 503 when limits are out of reach
 */
export function reserveServed(
  gateway: Gateway,
  call: Call,
  deployment: Deployment,
  request: NativeRequest,
): Reservation | undefined | Promise<Reservation | undefined> {
  const group = call.snapshot.router.index.groupOf(deployment)
  if (group === undefined) return undefined
  return gateway.reservations.reserveServed(call.snapshot.governed, reserving(call, group, request), call.reservation)
}

function reserving(call: Call, group: ModelGroup, request: NativeRequest): Reserving {
  const { attribution, identity, door } = call
  return {
    principal: identity,
    group,
    request: { json: request.json, text: request.text, operation: door.operation, bodyBytes: bytesOf(call, request) },
    endUser: attribution.endUser,
    tags: attribution.tags,
    sessionId: attribution.sessionId,
  }
}

/** Of the body as it came; undefined where it was sent without a length or a fallback has changed it. */
function bytesOf({ response, request }: Call, asked: NativeRequest): number | undefined {
  if (asked !== request) return undefined
  const bytes = Number(response.req?.headers['content-length'])
  return bytes > 0 ? bytes : undefined
}
