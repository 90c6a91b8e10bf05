import { catalogue } from '../../platform/errors/catalogue.ts'
import type { GatewayError } from '../../platform/errors/gateway-error.ts'

/** The error object Anthropic clients parse: `{ type: 'error', error: { type, message, details? }, request_id }`. */
export function anthropicErrorBody(error: GatewayError, requestId: string): string {
  return JSON.stringify({ ...anthropicError(error), request_id: requestId })
}

export const anthropicErrorEvent = (error: GatewayError): string =>
  `event: error\ndata: ${JSON.stringify(anthropicError(error))}\n\n`

function anthropicError(error: GatewayError): object {
  const { message, details } = error
  const type = typeOf(error)
  return { type: 'error', error: details === undefined ? { type, message } : { type, message, details } }
}

/** Anthropic has words of its own for these two statuses, whichever class of failure they belong to here. */
function typeOf({ status, code }: GatewayError): string {
  if (status === 529) return 'overloaded_error'
  return status === 413 ? 'request_too_large' : catalogue[code].anthropic
}
