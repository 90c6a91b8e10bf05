import { type FailureKind, kindOfStatus, UpstreamFailure } from '../platform/errors/gateway-error.ts'

/** Phrases (lower case) by which vendors say that the prompt does not fit. */
const contextWindowPhrases = [
  'context_length_exceeded',
  'maximum context length',
  'model_max_prompt_tokens_exceeded',
  'prompt is too long',
  'prompt_too_long',
  'input is too long',
  'input length and `max_tokens` exceed context limit',
  'exceed context limit',
  'exceeds the maximum number of tokens',
  'input token count exceeds the maximum',
  'string too long. expected a string with maximum length',
  "is longer than the model's context length",
  'too many tokens',
  'reduce the length of the messages',
  'context window',
]

const contentPolicyPhrases = [
  'content_policy_violation',
  'content_filter',
  'responsibleaipolicyviolation',
  'content management policy',
  'rejected as a result of our safety system',
  'output blocked by content filtering policy',
  'invalid_prompt',
  'violating our usage policy',
]

/** A failure kind from a status, refined by what the vendor's text says. */
export function classify(status: number, text: string): FailureKind {
  const kind = kindOfStatus(status)
  if (kind !== 'bad_request' && kind !== 'unprocessable_entity') return kind
  const lower = text.toLowerCase()
  if (contextWindowPhrases.some(phrase => lower.includes(phrase))) return 'context_window_exceeded'
  if (contentPolicyPhrases.some(phrase => lower.includes(phrase))) return 'content_policy_violation'
  return kind
}

/** Seconds from `retry-after-ms`, `retry-after` (number or HTTP date); undefined when absent or unreadable. */
export function retryAfterSeconds(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  epochMs = Date.now(),
): number | undefined {
  const milliseconds = Number(headers['retry-after-ms'])
  if (headers['retry-after-ms'] !== undefined && milliseconds >= 0) return milliseconds / 1000
  const value = headers['retry-after']
  if (typeof value !== 'string' || value === '') return undefined
  const seconds = Number(value)
  if (seconds >= 0) return seconds
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, (date - epochMs) / 1000)
}

/** Longest vendor text passed on to a caller. */
const maxMessage = 2000

export interface VendorError {
  readonly message: string | undefined
  readonly code: string | undefined
  readonly param?: string | undefined
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

/** A failure from an HTTP status outside 2xx and the error the vendor's body held. */
export function failureOf(
  vendor: string,
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  error: VendorError,
  body: string,
): UpstreamFailure {
  const kind = classify(status, body)
  const text = (error.message ?? body.trim()).slice(0, maxMessage) || `HTTP ${status} without a message`
  return new UpstreamFailure(kind, `${vendor}: ${text}`, {
    status: status >= 400 && status <= 599 ? status : 502,
    retryAfter: retryAfterSeconds(headers),
    vendorCode: error.code,
    param: error.param,
    details: error.details,
  })
}
