import { type FailureKind, kindOfStatus, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { isRecord } from './gemini-types.ts'

/** Google's error model (google.rpc.Status), from a body or from an event in a stream. */
export interface GeminiError {
  /** The HTTP status it stands for. */
  readonly status: number | undefined
  /** The canonical word: `RESOURCE_EXHAUSTED`. */
  readonly word: string | undefined
  /** Free of credentials. */
  readonly message: string | undefined
  /** Seconds, from `google.rpc.RetryInfo`. */
  readonly retryAfter: number | undefined
  /** `google.rpc.ErrorInfo.reason`: `API_KEY_INVALID`. */
  readonly reason: string | undefined
}

const maxMessage = 2000

/** Reads `{ error: {…} }` or a list that holds one; undefined when there is no error in it. */
export function geminiErrorOf(body: unknown): GeminiError | undefined {
  const holder = Array.isArray(body) ? body.find(item => isRecord(item) && 'error' in item) : body
  if (!isRecord(holder)) return undefined
  const error = holder['error']
  if (typeof error === 'string') return errorOf({ message: error })
  return isRecord(error) ? errorOf(error) : undefined
}

function errorOf(error: Record<string, unknown>): GeminiError {
  const code = error['code']
  let retryAfter: number | undefined
  let reason: string | undefined
  for (const detail of Array.isArray(error['details']) ? error['details'] : []) {
    if (!isRecord(detail)) continue
    const type = String(detail['@type'] ?? '')
    if (type.endsWith('google.rpc.RetryInfo')) retryAfter = seconds(detail['retryDelay'])
    else if (type.endsWith('google.rpc.ErrorInfo') && typeof detail['reason'] === 'string') reason = detail['reason']
  }
  return {
    status: typeof code === 'number' && code >= 400 && code <= 599 ? code : undefined,
    word: typeof error['status'] === 'string' ? error['status'].slice(0, 100) : undefined,
    message:
      typeof error['message'] === 'string' && error['message'] !== ''
        ? redact(error['message'].slice(0, maxMessage))
        : undefined,
    retryAfter,
    reason,
  }
}

/** A protobuf duration, `"34.07s"`. */
function seconds(delay: unknown): number | undefined {
  if (typeof delay !== 'string' || !delay.endsWith('s')) return undefined
  const value = Number(delay.slice(0, -1))
  return Number.isFinite(value) && value >= 0 ? value : undefined
}

/** Google names the caller's key in some messages ("Consumer 'api_key:AIza…' has been suspended"). */
export function redact(text: string): string {
  return text.replace(/\bapi_key:[^\s'"]+|\bAIza[\w-]{8,}|\bAQ\.[\w.-]{8,}|\bya29\.[\w.-]{8,}/g, '[redacted]')
}

const kindOfWord: Readonly<Record<string, FailureKind>> = {
  INVALID_ARGUMENT: 'bad_request',
  FAILED_PRECONDITION: 'bad_request',
  OUT_OF_RANGE: 'bad_request',
  UNAUTHENTICATED: 'authentication',
  PERMISSION_DENIED: 'permission_denied',
  NOT_FOUND: 'not_found',
  RESOURCE_EXHAUSTED: 'rate_limit',
  DEADLINE_EXCEEDED: 'timeout',
  UNAVAILABLE: 'service_unavailable',
  INTERNAL: 'internal_server',
}

const wordKind = (word = ''): FailureKind | undefined =>
  Object.hasOwn(kindOfWord, word) ? kindOfWord[word] : undefined

/**
 * What Google's own words say about the kind of failure where the HTTP status misleads: a wrong key and an unserved
 * region are answered with 400, though nothing is wrong with the caller's request.
 */
export function kindFromWords(error: GeminiError): FailureKind | undefined {
  if (error.reason === 'API_KEY_INVALID' || error.reason === 'API_KEY_EXPIRED') return 'authentication'
  const message = error.message ?? ''
  if (/^api key (?:not valid|expired)/i.test(message)) return 'authentication'
  if (error.word === 'FAILED_PRECONDITION' && message.includes('User location')) return 'permission_denied'
  return undefined
}

/** An error object inside a 200 answer or a stream. */
export function failureInside(error: GeminiError): UpstreamFailure {
  let kind =
    kindFromWords(error) ??
    (error.status === undefined ? wordKind(error.word) : kindOfStatus(error.status)) ??
    'internal_server'
  if (kind === 'bad_request' && error.message?.includes('exceeds the maximum number of tokens')) {
    kind = 'context_window_exceeded'
  }
  return new UpstreamFailure(kind, `Gemini: ${error.message ?? 'the answer is an error without a message'}`, {
    retryAfter: error.retryAfter,
    vendorCode: error.word,
  })
}
