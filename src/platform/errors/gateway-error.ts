import { type CatalogueEntry, catalogue, type ErrorCode } from './catalogue.ts'

export interface ErrorDetails {
  /** The request field at fault, as a path: `messages[2].content`. */
  readonly param?: string | undefined
  /** Seconds the caller should wait; sent as `Retry-After`. */
  readonly retryAfter?: number | undefined
  /** HTTP status where it differs from the catalogue's (an upstream 529, for one). */
  readonly status?: number | undefined
  /** Machine-readable particulars as Anthropic's clients read them: `{ error_code, … }`. */
  readonly details?: Readonly<Record<string, unknown>> | undefined
  readonly cause?: unknown
}

/** An error with a place in the catalogue. Its message is shown to the caller, so it may never hold a secret. */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly param: string | undefined
  readonly retryAfter: number | undefined
  readonly status: number
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'GatewayError'
    this.code = code
    this.param = details.param
    this.retryAfter = details.retryAfter
    this.details = details.details
    this.status = details.status ?? catalogue[code].status
  }

  get entry(): CatalogueEntry {
    return catalogue[this.code]
  }

  /** The `code` that OpenAI callers get. */
  get shownCode(): string {
    return this.code
  }
}

/**
 * The classes of upstream failure that retry policies, cooldown policies and fallbacks speak of.
 * Names follow LiteLLM's RetryPolicy / AllowedFailsPolicy fields.
 */
export type FailureKind =
  | 'bad_request'
  | 'authentication'
  | 'permission_denied'
  | 'not_found'
  | 'timeout'
  | 'unprocessable_entity'
  | 'rate_limit'
  | 'context_window_exceeded'
  | 'content_policy_violation'
  | 'internal_server'
  | 'bad_gateway'
  | 'service_unavailable'
  | 'connection'

const codeOfKind: Record<FailureKind, ErrorCode> = {
  bad_request: 'invalid_request',
  authentication: 'upstream_authentication',
  permission_denied: 'permission_denied',
  not_found: 'not_found',
  timeout: 'upstream_timeout',
  unprocessable_entity: 'unprocessable_entity',
  rate_limit: 'rate_limit_exceeded',
  context_window_exceeded: 'context_length_exceeded',
  content_policy_violation: 'content_policy_violation',
  internal_server: 'upstream_error',
  bad_gateway: 'upstream_bad_response',
  service_unavailable: 'upstream_unavailable',
  connection: 'upstream_unreachable',
}

export interface UpstreamFailureDetails extends ErrorDetails {
  readonly code?: ErrorCode
  /** The vendor's own error code or type word, kept for the caller: `insufficient_quota`, `overloaded_error`. */
  readonly vendorCode?: string | undefined
}

/** `invalid_request_error`, `INVALID_ARGUMENT`: a vendor's word for a whole class of errors, not for this one. */
const classWord = /^[A-Z_]+$|_error$/

/** A call to a deployment went wrong. `kind` decides retry, cooldown and fallback. */
export class UpstreamFailure extends GatewayError {
  readonly kind: FailureKind
  readonly vendorCode: string | undefined

  constructor(kind: FailureKind, message: string, details: UpstreamFailureDetails = {}) {
    super(details.code ?? codeOfKind[kind], message, details)
    this.name = 'UpstreamFailure'
    this.kind = kind
    this.vendorCode = details.vendorCode
  }

  /** The vendor's own code, unless its text told more than its code: clients act on `context_length_exceeded`. */
  override get shownCode(): string {
    const { vendorCode } = this
    if (vendorCode === undefined) return this.code
    const told = this.kind === 'context_window_exceeded' || this.kind === 'content_policy_violation'
    return told && classWord.test(vendorCode) ? this.code : vendorCode
  }
}

/** HTTP status → failure kind, before the message text is looked at. */
export function kindOfStatus(status: number): FailureKind {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 415:
      return 'bad_request'
    case 401:
      return 'authentication'
    case 402:
    case 403:
      return 'permission_denied'
    case 404:
    case 410:
      return 'not_found'
    case 408:
    case 504:
      return 'timeout'
    case 422:
      return 'unprocessable_entity'
    case 409:
    case 425:
    case 429:
      return 'rate_limit'
    case 502:
      return 'bad_gateway'
    case 503:
    case 529:
      return 'service_unavailable'
    default:
      return status >= 500 ? 'internal_server' : 'bad_request'
  }
}
