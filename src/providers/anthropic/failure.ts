import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { reportedError, statusOfErrorType } from '../../translate/openai-anthropic/upstream-error.ts'
import { failureOf } from '../failure.ts'

type Headers = Readonly<Record<string, string | string[] | undefined>>

const noHeaders: Headers = {}
const vendor = 'anthropic'

/** Anthropic reports an empty account as 400 `invalid_request_error`; it is no fault of the request. */
const noCredit = 'credit balance is too low'

/** A status outside 2xx with Anthropic's error body, or whatever a proxy in front of it wrote. */
export function failureOfAnswer(status: number, headers: Headers, body: string): UpstreamFailure {
  const error = reportedError(parse(body))
  const actual = status === 400 && body.includes(noCredit) ? 402 : status
  return failureOf(vendor, actual, headers, { ...error, message: error?.message, code: error?.type }, body)
}

/** An error reported inside a 200: the type stands in for the missing status. */
export function failureOfError(type: string, message: string): UpstreamFailure {
  const status = message.includes(noCredit) ? 402 : statusOfErrorType(type)
  return failureOf(vendor, status, noHeaders, { message, code: type }, message)
}

/** An error event or a 2xx body that is an error; undefined when it is not. */
export function failureIn(data: unknown): UpstreamFailure | undefined {
  const error = reportedError(data)
  return error === undefined ? undefined : failureOfError(error.type, error.message)
}

export function unreadable(what: string): UpstreamFailure {
  return new UpstreamFailure('bad_gateway', `${vendor}: ${what} is not JSON.`)
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
