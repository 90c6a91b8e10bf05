import { catalogue } from '../../platform/errors/catalogue.ts'
import type { GatewayError } from '../../platform/errors/gateway-error.ts'

/** The error object OpenAI clients parse: `{ error: { message, type, param, code } }`. */
export function openaiError(error: GatewayError): { error: Record<string, unknown> } {
  return {
    error: {
      message: error.message,
      type: catalogue[error.code].openai,
      param: error.param ?? null,
      code: error.shownCode,
    },
  }
}

export const openaiErrorBody = (error: GatewayError): string => JSON.stringify(openaiError(error))

/** OpenAI SDKs raise on a data line that holds `error`; the end marker closes the stream for all others. */
export const openaiErrorEvent = (error: GatewayError): string =>
  `data: ${JSON.stringify(openaiError(error))}\n\ndata: [DONE]\n\n`
