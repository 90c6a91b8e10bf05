import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { readBody } from './read-body.ts'

/** The body of a request that came as JSON; undefined for an empty one. `text` is what was parsed. */
export interface JsonBody {
  readonly json: Record<string, unknown>
  readonly text: string
  /** As they came, where all are ASCII: what is sent on unchanged need not be encoded. */
  readonly bytes: Buffer | undefined
}

type Read = (error: Error | null, body?: JsonBody) => void

export const jsonType = /^application\/(?:[\w.+-]+\+)?json(?:;|$)/i

export const unsupportedMediaType = (): GatewayError =>
  new GatewayError('unsupported_media_type', 'Send the body as content-type: application/json.')

/** Whether the body is JSON by its head, or there is none. */
export function mayBeJson(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type']
  if (type !== undefined) return type === 'application/json' || jsonType.test(type)
  return headers['transfer-encoding'] === undefined && !(Number(headers['content-length']) > 0)
}

/**
 * @param limit bytes
 * @param done called once; GatewayError `request_too_large`, `invalid_json` or `invalid_request`
 */
export function readJson(payload: IncomingMessage, limit: number, done: Read): void {
  readBody(payload, limit, (error, text, bytes) => (error === null ? parseBody(text, bytes, done) : done(error)))
}

function parseBody(text: string, bytes: Buffer | undefined, done: Read): void {
  // No body, whatever its announced type: routes that need one say so themselves.
  if (text === '') {
    done(null, undefined)
    return
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    const detail = error instanceof Error ? safeDetail(error.message) : 'it cannot be parsed'
    done(new GatewayError('invalid_json', `The request body is not valid JSON: ${detail}.`))
    return
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    done(new GatewayError('invalid_request', 'The request body must be a JSON object.'))
    return
  }
  done(null, { json: json as Record<string, unknown>, text, bytes })
}

/** The parser quotes the text around the fault; callers may have secrets there, so only the position is kept. */
function safeDetail(message: string): string {
  const position = /position (\d+)/.exec(message)
  return position === null
    ? 'it ends too early or has a stray character'
    : `unexpected character at position ${position[1]}`
}
