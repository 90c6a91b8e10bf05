import { catalogue } from '../../platform/errors/catalogue.ts'
import { type GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'

/** The error object OpenAI clients parse: `{ error: { message, type, param, code } }`. */
export function openaiError(error: GatewayError): { error: Record<string, unknown> } {
  return {
    error: {
      message: error.message,
      type: catalogue[error.code].openai,
      param: error.param ?? null,
      code: error.shownCode,
      // The particulars of our own refusals; a vendor's are for clients that speak its dialect.
      ...(error.details === undefined || error instanceof UpstreamFailure ? undefined : { details: error.details }),
    },
  }
}

export const openaiErrorBody = (error: GatewayError): string => JSON.stringify(openaiError(error))

/** OpenAI SDKs raise on a data line that holds `error`; the end marker closes the stream for all others. */
export const openaiErrorEvent = (error: GatewayError): string =>
  `data: ${JSON.stringify(openaiError(error))}\n\ndata: [DONE]\n\n`
