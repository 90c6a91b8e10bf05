import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { failureOf, type VendorError } from '../failure.ts'

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Vendors quote the key they refuse, masked in part or not at all. */
const keyLike =
  /\b(?:sk|pk|rk|gsk|xai|tgp|pplx|nvapi|fw|key|sess|csk|r8|hf)[-_][\w*.-]{6,}|\bBearer\s+\S+|\b[\w-]{2,8}\*{4,}\w*/gi

function redact(text: string): string {
  return text.replace(keyLike, '[redacted]')
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** The error in a vendor's body, whichever of the known shapes it has; all undefined when there is none. */
export function readError(body: unknown): VendorError & { readonly status: number | undefined } {
  const none = { message: undefined, code: undefined, param: undefined, status: undefined }
  if (Array.isArray(body)) return body.length > 0 ? readError(body[0]) : none
  if (!isObject(body)) return { ...none, message: text(body) }
  const inner = body['error'] ?? body['errors'] ?? body['detail'] ?? body
  if (inner !== body && !isObject(inner)) {
    const first = Array.isArray(inner) ? readError(inner[0]).message : text(inner)
    return { ...none, message: first ?? text(body['message']), code: text(body['code']), status: numeric(body['code']) }
  }
  const error = inner as Json
  const wrapped = isObject(error['error']) ? readError(error).message : undefined
  return {
    message: text(error['message']) ?? text(error['msg']) ?? text(error['detail']) ?? wrapped ?? text(body['message']),
    code: text(error['code']) ?? text(error['type']),
    param: text(error['param']),
    status: numeric(error['code']) ?? numeric(error['status']) ?? numeric(error['status_code']) ?? statusOfWord(error),
  }
}

function numeric(value: unknown): number | undefined {
  const status = typeof value === 'string' && /^\d{3}$/.test(value) ? Number(value) : value
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : undefined
}

/** Words in `code` or `type` that fix the status of an error that came without one. */
const statusOfWords: readonly [word: string, status: number][] = [
  ['rate_limit', 429],
  ['insufficient_quota', 429],
  ['quota', 429],
  ['context_length', 400],
  ['content_filter', 400],
  ['content_policy', 400],
  ['invalid_api_key', 401],
  ['authentication', 401],
  ['permission', 403],
  ['not_found', 404],
  ['invalid_request', 400],
  ['overloaded', 503],
  ['unavailable', 503],
  ['timeout', 504],
]

function statusOfWord(error: Json): number | undefined {
  const words = `${text(error['code']) ?? ''} ${text(error['type']) ?? ''}`.toLowerCase()
  return statusOfWords.find(([word]) => words.includes(word))?.[1]
}

/** A failure from a non-2xx answer. Never throws. */
export function failure(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: string,
): UpstreamFailure {
  const error = readError(parse(body))
  const message = error.message ?? (looksLikeMarkup(body) ? markupText(body) : undefined)
  const shown = redact((message ?? body.trim()).slice(0, 4000))
  return failureOf('upstream', status, headers, { ...error, message: shown }, body)
}

/** A failure from an error object inside a 2xx body or stream. */
export function failureInside(body: unknown): UpstreamFailure {
  const error = readError(body)
  const classified = JSON.stringify(body) ?? ''
  const shown = redact(error.message ?? 'the vendor reported an error without a message')
  return failureOf('upstream', error.status ?? 500, {}, { ...error, message: shown }, classified)
}

/** A 2xx body or event that is not an answer. */
export function badResponse(why: string): UpstreamFailure {
  return new UpstreamFailure('bad_gateway', `upstream: ${why}`)
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

const looksLikeMarkup = (body: string): boolean => /^\s*</.test(body)

/** The title of an HTML error page (proxies, load balancers), else its first words. */
function markupText(body: string): string {
  const head = body.slice(0, 8000)
  const title = /<title[^>]*>([^<]*)/i.exec(head)?.[1]?.trim()
  if (title) return title
  return head
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 200)
}
