import { type GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'

/** A failure that never reached a deployment, in the terms of retry policies and fallbacks. */
export function asFailure(error: GatewayError): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error
  const kind =
    error.code === 'context_length_exceeded'
      ? 'context_window_exceeded'
      : error.code === 'no_deployment_available'
        ? 'rate_limit'
        : 'bad_request'
  return new UpstreamFailure(kind, error.message, {
    code: error.code,
    details: error.details,
    param: error.param,
    retryAfter: error.retryAfter,
    status: error.status,
    cause: error,
  })
}
