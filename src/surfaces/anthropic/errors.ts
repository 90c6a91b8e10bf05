import { catalogue } from '../../platform/errors/catalogue.ts'
import type { GatewayError } from '../../platform/errors/gateway-error.ts'

/** The error object Anthropic clients parse: `{ type: 'error', error: { type, message }, request_id }`. */
export function anthropicErrorBody(error: GatewayError, requestId: string): string {
  return JSON.stringify({ ...anthropicError(error), request_id: requestId })
}

export const anthropicErrorEvent = (error: GatewayError): string =>
  `event: error\ndata: ${JSON.stringify(anthropicError(error))}\n\n`

function anthropicError(error: GatewayError): object {
  // Anthropic has one word for "too much for us now", whatever the status.
  const type = error.status === 529 ? 'overloaded_error' : catalogue[error.code].anthropic
  return { type: 'error', error: { type, message: error.message } }
}
