import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { NativeRequest } from '../providers/wire.ts'
import type { JsonBody } from './json-body.ts'

/** The parsed body with those of the caller's headers that belong to its dialect. */
export function nativeRequest({ headers }: IncomingMessage, { json, text, bytes }: JsonBody): NativeRequest {
  return { json, text, bytes, headers: dialectHeaders(headers) }
}

const noHeaders = {}

function dialectHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const version = headers['anthropic-version']
  const beta = headers['anthropic-beta']
  if (version === undefined && beta === undefined) return noHeaders
  const result: Record<string, string> = {}
  if (typeof version === 'string') result['anthropic-version'] = version
  if (typeof beta === 'string') result['anthropic-beta'] = beta
  return result
}
