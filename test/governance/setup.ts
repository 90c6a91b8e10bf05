import { expect } from 'vitest'
import type { Gateway } from '../harness/gateway.ts'
import { type StreamAnswer, send } from '../harness/http.ts'
import type { Json } from '../upstream/types.ts'

/** A management call with the master key, or with another one. */
export function api(
  gateway: Pick<Gateway, 'url' | 'key'>,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: Json,
  key: string = gateway.key,
): Promise<StreamAnswer> {
  return send(`${gateway.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body }),
  })
}

/** The same, when it must succeed. */
export async function done(
  gateway: Pick<Gateway, 'url' | 'key'>,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: Json,
  key: string = gateway.key,
): Promise<Json> {
  const answer = await api(gateway, method, path, body, key)
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300)
  return answer.json as Json
}

export async function newKey(gateway: Gateway, fields: Json = {}): Promise<string> {
  return String((await done(gateway, 'POST', '/key/generate', fields))['key'])
}
