import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { sendBody } from '../pipeline/accounting/send-body.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { newId } from '../platform/ids.ts'
import { StateUnavailable } from '../platform/shared-state/shared-state.ts'
import { StoreUnavailable } from '../platform/store/store.ts'
import type { Dialect } from '../providers/wire.ts'
import { anthropicErrorBody } from './anthropic/errors.ts'
import { unsupportedMediaType } from './json-body.ts'
import { openaiErrorBody } from './openai/errors.ts'

/** An error as callers are told it; what nobody expected is logged, and callers learn nothing of it. */
export function knownError(gateway: Gateway, error: unknown, path: string): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof StoreUnavailable || error instanceof StateUnavailable) {
    return new GatewayError('store_unavailable', 'The store is out of reach; nothing was changed. Try again shortly.', {
      retryAfter: 2,
    })
  }
  // Fastify's own, by the fields it gives them.
  const { code, statusCode: status = 500 } = error as { readonly code?: string; readonly statusCode?: number }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' || code === 'FST_ERR_CTP_INVALID_CONTENT_TYPE') {
    return unsupportedMediaType()
  }
  if (status >= 400 && status < 500)
    return new GatewayError('invalid_request', 'The request cannot be read.', { status })
  gateway.log.error({ err: error, path }, 'unexpected error in a request')
  return new GatewayError(
    'internal_error',
    'The gateway failed to handle this request; the operator finds details in its log.',
  )
}

/** @param startedAt monotonic milliseconds; 0: not known */
export function sendError(
  gateway: Gateway,
  reply: FastifyReply,
  error: GatewayError,
  dialect: Dialect,
  startedAt: number,
): void {
  const { id, headers, body } = told(gateway, error, dialect, startedAt)
  reply.code(error.status).headers(headers).header('x-litellm-call-id', id).type('application/json').send(body)
}

/** The same without the framework. */
export function answerError(
  gateway: Gateway,
  response: ServerResponse,
  error: GatewayError,
  dialect: Dialect,
  startedAt: number,
): void {
  if (response.headersSent || response.destroyed) return
  const { id, headers, body } = told(gateway, error, dialect, startedAt)
  let head = `content-type: application/json\r\nx-litellm-call-id: ${id}\r\n`
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`
  sendBody(response, error.status, head, body)
}

interface Told {
  readonly id: string
  readonly headers: Record<string, string>
  readonly body: string
}

function told(gateway: Gateway, error: GatewayError, dialect: Dialect, startedAt: number): Told {
  const id = newId()
  const duration = startedAt === 0 ? 0 : performance.now() - startedAt
  gateway.metrics.group(undefined).finished(error.status, duration, 0, error.code)
  const headers: Record<string, string> = {}
  if (error.retryAfter !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfter))
  if (error.status === 401) headers['www-authenticate'] = 'Bearer'
  return { id, headers, body: dialect === 'anthropic' ? anthropicErrorBody(error, id) : openaiErrorBody(error) }
}
