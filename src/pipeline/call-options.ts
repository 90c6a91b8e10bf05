import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { CallOptions } from './call.ts'
import { parseClientFallbacks } from './routing/fallback-lists.ts'

const none: CallOptions = {
  timeout: undefined,
  streamTimeout: undefined,
  numRetries: undefined,
  fallbacks: undefined,
  disableFallbacks: false,
}

/** Longest wait a caller may ask for. */
const maxTimeoutSeconds = 6000
const maxRetries = 10
const maxFallbacks = 16

/**
 * Per-call settings from LiteLLM's body fields and `x-litellm-*` headers; a header wins over the body.
 * @throws GatewayError `invalid_request` for a value that is not what the field takes.
 */
export function callOptions(body: Record<string, unknown>, headers: IncomingHttpHeaders): CallOptions {
  const timeoutHeader = headers['x-litellm-timeout']
  const streamTimeoutHeader = headers['x-litellm-stream-timeout']
  const retriesHeader = headers['x-litellm-num-retries']
  const timeout = timeoutHeader ?? body['timeout'] ?? body['request_timeout']
  const streamTimeout = streamTimeoutHeader ?? body['stream_timeout']
  const numRetries = retriesHeader ?? body['num_retries']
  const fallbacks = body['fallbacks']
  const disableFallbacks = body['disable_fallbacks']
  if (
    timeout === undefined &&
    streamTimeout === undefined &&
    numRetries === undefined &&
    fallbacks === undefined &&
    disableFallbacks === undefined
  ) {
    return none
  }
  return {
    timeout: milliseconds('timeout', timeout),
    streamTimeout: milliseconds('stream_timeout', streamTimeout),
    numRetries: number('num_retries', numRetries, maxRetries),
    fallbacks: list(fallbacks),
    disableFallbacks: disableFallbacks === true,
  }
}

function milliseconds(param: string, value: unknown): number | undefined {
  const seconds = number(param, value, maxTimeoutSeconds)
  return seconds === undefined ? undefined : seconds * 1000
}

function number(param: string, value: unknown, max: number): number | undefined {
  if (value === undefined || value === null) return undefined
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof parsed !== 'number' || !(parsed >= 0)) {
    throw new GatewayError('invalid_request', `'${param}' must be a number of 0 or more.`, { param })
  }
  return Math.min(parsed, max)
}

function list(value: unknown): readonly unknown[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) {
    throw new GatewayError('invalid_request', `'fallbacks' must be a list of model names or objects.`, {
      param: 'fallbacks',
    })
  }
  if (value.length > maxFallbacks) {
    throw new GatewayError('invalid_request', `'fallbacks' may name at most ${maxFallbacks} models.`, {
      param: 'fallbacks',
    })
  }
  // Malformed entries are told now, not after an upstream has failed.
  parseClientFallbacks(value)
  return value
}
