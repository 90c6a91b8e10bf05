import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { geminiErrorOf, kindFromWords, redact } from '../../translate/openai-gemini/gemini-error.ts'
import { classify, failureOf } from '../failure.ts'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** An answer with a status outside 2xx: `{ error: {…} }`, a list that holds one, or a proxy's own text. Never throws. */
export function geminiFailure(status: number, headers: Headers, body: string): UpstreamFailure {
  const error = geminiErrorOf(parse(body))
  if (error === undefined) {
    return failureOf('Gemini', status, headers, { message: undefined, code: undefined }, redact(body.slice(0, 4000)))
  }
  const message = error.message ?? error.word
  const plain = failureOf('Gemini', status, headers, { message, code: error.word }, message ?? '')
  const kind = kindFromWords(error)
  if (kind === undefined && error.retryAfter === undefined) return plain
  return new UpstreamFailure(kind ?? classify(status, message ?? ''), plain.message, {
    // A kind read from the words brings its own status: 400 would blame the caller's request.
    ...(kind === undefined ? { status: plain.status } : {}),
    retryAfter: error.retryAfter ?? plain.retryAfter,
    vendorCode: plain.vendorCode,
  })
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
