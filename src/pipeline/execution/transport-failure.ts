import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'

/** A connection that failed, as a failure the router understands. Messages name the cause, never the address path. */
export function transportFailure(error: unknown, vendor: string): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error
  if (error instanceof GatewayError) {
    const kind = error.code === 'egress_denied' ? 'permission_denied' : 'connection'
    return new UpstreamFailure(kind, error.message, { code: error.code, cause: error })
  }
  const code = codeOf(error)
  switch (code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return new UpstreamFailure('timeout', `${vendor}: could not connect in time.`, { cause: error })
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new UpstreamFailure('connection', `${vendor}: could not connect (${code}).`, { cause: error })
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return new UpstreamFailure('connection', `${vendor}: the connection was closed before the answer was complete.`, {
        cause: error,
      })
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return new UpstreamFailure('bad_gateway', `${vendor}: the answer does not have the length it announced.`, {
        cause: error,
      })
    case 'UND_ERR_HEADERS_OVERFLOW':
      return new UpstreamFailure('bad_gateway', `${vendor}: the answer's headers are too large.`, { cause: error })
    default:
      if (code.startsWith('HPE_') || (error instanceof Error && error.name === 'HTTPParserError')) {
        return new UpstreamFailure('bad_gateway', `${vendor}: the answer is not valid HTTP.`, { cause: error })
      }
      // A programming error of our own says nothing about the upstream; it is logged as what it is.
      if (code === '' && isDefect(error)) {
        return new UpstreamFailure('internal_server', `${vendor}: the gateway could not read the answer.`, {
          code: 'internal_error',
          cause: error,
        })
      }
      return new UpstreamFailure('connection', `${vendor}: the call failed${code === '' ? '' : ` (${code})`}.`, {
        cause: error,
      })
  }
}

const isDefect = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}
