import type { FastifyRequest } from 'fastify'
import type { NativeRequest } from '../providers/wire.ts'

/** The parsed body with those of the caller's headers that belong to its dialect. */
export function nativeRequest(request: FastifyRequest): NativeRequest {
  const { json, text } = request.body as { json: Record<string, unknown>; text: string }
  return { json, text, headers: dialectHeaders(request) }
}

const noHeaders = {}

function dialectHeaders(request: FastifyRequest): Record<string, string> {
  const { headers } = request.raw
  const version = headers['anthropic-version']
  const beta = headers['anthropic-beta']
  if (version === undefined && beta === undefined) return noHeaders
  const result: Record<string, string> = {}
  if (typeof version === 'string') result['anthropic-version'] = version
  if (typeof beta === 'string') result['anthropic-beta'] = beta
  return result
}
