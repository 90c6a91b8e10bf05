import { SseParser } from '../../../src/translate/sse.ts'
import { isJson, type Json } from '../../upstream/types.ts'
import type { RawAnswer } from './connection.ts'
import type { FuzzedRequest } from './requests.ts'

/** What is wrong with an answer; undefined when nothing is. */
export function faultOf(request: FuzzedRequest, answer: RawAnswer | undefined): string | undefined {
  if (answer === undefined) return request.broken ? undefined : 'the connection closed without an answer'
  const { status, body, headers } = answer
  if (status === 0) return headers
  if (request.valid && status !== 200) return `a valid request got ${status}`
  if (status >= 200 && status < 300) {
    if (request.broken) return `broken framing got ${status}`
    return request.method === 'HEAD' ? undefined : answerFault(headers, body)
  }
  if (status < 400 || status > 599) return `status ${status}`
  if (status >= 500) return `status ${status}`
  if (request.method === 'HEAD') return undefined
  if (!headers.includes('content-type: application/json')) return 'an error that is not JSON'
  const json = parse(body)
  if (json === undefined) return 'an error body that is not a JSON object'
  return isError(json, request.broken && status !== 401 ? 'openai' : request.dialect)
    ? undefined
    : 'an error in the wrong shape'
}

function answerFault(headers: string, body: string): string | undefined {
  if (!headers.includes('content-type: text/event-stream')) {
    return headers.includes('application/json') && parse(body) === undefined ? 'a body that is not JSON' : undefined
  }
  let fault: string | undefined
  let last = ''
  const parser = new SseParser()
  const take = ({ data, event }: { data: string; event: string }): void => {
    if (data === '[DONE]') {
      last = data
      return
    }
    const json = parse(data)
    if (json === undefined) fault = `an event that is not JSON: ${data.slice(0, 200)}`
    if (json?.['error'] !== undefined) fault = `an error event: ${data.slice(0, 300)}`
    last = event
  }
  parser.push(Buffer.from(body), take)
  parser.end(take)
  return fault ?? (last === '[DONE]' || last === 'message_stop' ? undefined : `a stream that ends with '${last}'`)
}

/** The exact members that each dialect's SDK reads. */
export function isError(json: Json, dialect: 'openai' | 'anthropic'): boolean {
  const error = json['error']
  if (!isJson(error) || typeof error['message'] !== 'string' || error['message'] === '') return false
  if (typeof error['type'] !== 'string') return false
  if (dialect === 'anthropic') return json['type'] === 'error' && typeof json['request_id'] === 'string'
  const { param, code } = error
  return (param === null || typeof param === 'string') && typeof code === 'string' && Object.keys(json).length === 1
}

function parse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJson(value) ? value : undefined
  } catch {
    return undefined
  }
}
