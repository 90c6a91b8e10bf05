import type { IncomingHttpHeaders } from 'node:http'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { DispatchController, Dispatcher } from '../../platform/security/egress.ts'
import type { UpstreamRequest } from '../../providers/wire.ts'
import { transportFailure } from './transport-failure.ts'

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/**
 * One request, one complete answer, within a time and a size. For the gateway's own errands (health probes); calls of
 * callers go through Attempt.
 */
export function exchangeOnce(
  dispatcher: Dispatcher,
  request: UpstreamRequest,
  limits: { readonly timeout: number; readonly maxBytes: number; readonly vendor: string },
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let controller: DispatchController | undefined
    let expired: UpstreamFailure | undefined
    let status = 0
    let headers: IncomingHttpHeaders = {}
    let bytes = 0
    const chunks: Buffer[] = []
    const stop = (failure: UpstreamFailure): void => {
      expired = failure
      controller?.abort(failure)
      reject(failure)
    }
    const timer = setTimeout(
      () => stop(new UpstreamFailure('timeout', `${limits.vendor}: did not answer within ${limits.timeout / 1000} s.`)),
      limits.timeout,
    )
    const { method, path, body } = request
    dispatcher.dispatch(
      { method, path, headers: request.headers, body, headersTimeout: 0, bodyTimeout: 0 },
      {
        onRequestStart(started) {
          controller = started
          if (expired !== undefined) started.abort(expired)
        },
        onResponseStart(_controller, code, received) {
          status = code
          headers = received
        },
        onResponseData(_controller, chunk) {
          bytes += chunk.length
          if (bytes > limits.maxBytes) {
            stop(
              new UpstreamFailure(
                'bad_gateway',
                `${limits.vendor}: the answer is larger than ${limits.maxBytes} bytes.`,
              ),
            )
          } else {
            chunks.push(chunk)
          }
        },
        onResponseEnd() {
          clearTimeout(timer)
          resolve({ status, headers, text: Buffer.concat(chunks).toString('utf8') })
        },
        onResponseError(_controller, error) {
          clearTimeout(timer)
          reject(expired ?? transportFailure(error, limits.vendor))
        },
      },
    )
  })
}
