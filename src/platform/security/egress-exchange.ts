import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../errors/gateway-error.ts'
import type { DispatchController, Dispatcher } from './egress.ts'

export interface ExchangeRequest {
  readonly host: string
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path with query. */
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | Uint8Array | undefined
  readonly maxBytes: number
  /** Ends the exchange early; its reason is the rejection. */
  readonly signal: AbortSignal
}

export interface ExchangeAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** One request and its whole answer over one dispatcher, bounded in size and by the signal. */
export function exchange(dispatcher: Dispatcher, request: ExchangeRequest): Promise<ExchangeAnswer> {
  const { host, method, path, headers, body, maxBytes, signal } = request
  return new Promise((resolve, reject) => {
    let controller: DispatchController | undefined
    let ended: Error | undefined
    let status = 0
    let received: IncomingHttpHeaders = {}
    let bytes = 0
    const chunks: Buffer[] = []
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', aborted)
      act()
    }
    const stop = (error: Error): void => {
      ended ??= error
      controller?.abort(error)
      settle(() => reject(error))
    }
    const aborted = (): void => stop(signal.reason as Error)
    if (signal.aborted) return reject(signal.reason)
    signal.addEventListener('abort', aborted)
    try {
      dispatcher.dispatch(
        { method, path, headers, body: body ?? null, headersTimeout: 0, bodyTimeout: 0 },
        {
          onRequestStart(started) {
            controller = started
            if (ended !== undefined) started.abort(ended)
          },
          onResponseStart(_controller, code, fields) {
            status = code
            received = fields
          },
          onResponseData(_controller, chunk) {
            if (ended !== undefined) return
            bytes += chunk.length
            if (bytes > maxBytes) stop(badResponse(`${host}: the answer is larger than ${maxBytes} bytes.`))
            else chunks.push(chunk)
          },
          onResponseEnd() {
            settle(() => resolve({ status, headers: received, body: Buffer.concat(chunks) }))
          },
          onResponseError(_controller, error) {
            settle(() => reject(ended ?? failureOf(error, host)))
          },
        },
      )
    } catch (error) {
      settle(() => reject(unsendable(error, host)))
    }
  })
}

const badResponse = (message: string, cause?: unknown): GatewayError =>
  new GatewayError('upstream_bad_response', message, { cause })

/** The dispatcher refuses what cannot be written on a request line or in a header; its words may repeat the value. */
function unsendable(error: unknown, host: string): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError(
    'invalid_request',
    `The request to ${host} cannot be sent: its path or a header is malformed.`,
  )
}

function failureOf(error: unknown, host: string): GatewayError {
  if (error instanceof GatewayError) return error
  const code = typeof error === 'object' && error !== null ? String((error as { code?: unknown }).code ?? '') : ''
  switch (code) {
    case 'UND_ERR_INVALID_ARG':
      return unsendable(error, host)
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return new GatewayError('upstream_timeout', `${host}: could not connect in time.`, { cause: error })
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
    case 'UND_ERR_HEADERS_OVERFLOW':
      return badResponse(`${host}: the answer is not valid HTTP (${code}).`, error)
  }
  if (code.startsWith('HPE_')) return badResponse(`${host}: the answer is not valid HTTP.`, error)
  const why = code === '' ? 'the connection failed' : `the connection failed (${code})`
  return new GatewayError('upstream_unreachable', `${host}: ${why}.`, { cause: error })
}
