import { isAscii } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../platform/errors/gateway-error.ts'

/**
 * Collects a request body as text. Fastify's own reader knows only the limit it was started with; this one is given the
 * limit of the configuration in force, so that a reload changes it.
 * @param limit bytes
 * @param done called once; GatewayError `request_too_large` or `invalid_request`. `bytes`: as they came, where all are
 *   ASCII
 */
export function readBody(
  payload: IncomingMessage,
  limit: number,
  done: (error: GatewayError | null, text: string, bytes?: Buffer) => void,
): void {
  const announced = payload.headers['content-length']
  if (announced !== undefined && Number(announced) > limit) {
    done(tooLarge(limit), '')
    return
  }
  let chunks: Buffer[] | undefined
  let size = 0
  const settle = (error: GatewayError | null, text: string, bytes?: Buffer): void => {
    payload.off('data', onData)
    payload.off('end', onEnd)
    payload.off('error', onBroken)
    done(error, text, bytes)
  }
  const onData = (chunk: Buffer): void => {
    size += chunk.length
    if (size > limit) settle(tooLarge(limit), '')
    else if (chunks === undefined) chunks = [chunk]
    else chunks.push(chunk)
  }
  const onEnd = (): void => {
    if (chunks === undefined) {
      settle(null, '')
      return
    }
    const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
    if (isAscii(bytes)) settle(null, bytes.toString('latin1'), bytes)
    else settle(null, bytes.toString('utf8'))
  }
  const onBroken = (): void => settle(new GatewayError('invalid_request', 'The request body broke off.'), '')
  payload.on('data', onData)
  payload.on('end', onEnd)
  payload.on('error', onBroken)
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError(
    'request_too_large',
    `The request body is larger than ${limit} bytes (general_settings.max_request_size_mb).`,
  )
}
