import type { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { isObject } from './types.ts'

/** Builds the failure for an error the vendor reported in a body or an event; the provider knows how to classify it. */
export type FailureFactory = (type: string, message: string) => UpstreamFailure

/**
 * HTTP status that the vendor uses for an error type. An error inside a stream, or in a 200 body, has no status of its
 * own. Source: `ErrorType` of the SDK and the vendor's error table.
 */
export function statusOfErrorType(type: string): number {
  switch (type) {
    case 'invalid_request_error':
      return 400
    case 'authentication_error':
      return 401
    case 'billing_error':
      return 402
    case 'permission_error':
      return 403
    case 'not_found_error':
      return 404
    case 'conflict_error':
      return 409
    case 'request_too_large':
      return 413
    case 'rate_limit_error':
      return 429
    case 'timeout_error':
      return 504
    case 'overloaded_error':
      return 529
    default:
      return 500
  }
}

export interface ReportedError {
  readonly type: string
  readonly message: string
  /** What clients act on without reading the message: `{ error_code: "thread_not_found" }`. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** More than this is no error code with its particulars. */
const maxDetails = 4000

/** `{type: "error", error: {type, message, details?}}`; undefined when the body is something else. */
export function reportedError(body: unknown): ReportedError | undefined {
  if (!isObject(body) || !isObject(body['error'])) return undefined
  const { type, message, details } = body['error']
  return {
    type: typeof type === 'string' ? type : 'api_error',
    message:
      typeof message === 'string' && message !== '' ? message : 'The vendor reported an error without a message.',
    ...(isObject(details) && JSON.stringify(details).length <= maxDetails ? { details } : {}),
  }
}
