import { readdirSync, readFileSync } from 'node:fs'
import { Secret } from '../../platform/security/secret.ts'
import type { ChatChunk, ChatRequest } from '../../translate/openai/types.ts'
import type { SseEvent } from '../../translate/sse.ts'
import { SseParser } from '../../translate/sse.ts'
import type { ChatExchange, Target, Vendor } from '../wire.ts'

export const vendor: Vendor = {
  id: 'gemini',
  name: 'Google AI Studio',
  wire: 'gemini',
  baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  baseUrlEnv: ['GEMINI_API_BASE'],
  apiKeyEnv: ['GEMINI_API_KEY'],
  auth: 'x-goog-api-key',
  operations: ['chat', 'embeddings'],
}

export function targetFor(overrides: Partial<Target> = {}): Target {
  return {
    vendor,
    model: 'gemini-2.5-flash',
    origin: 'https://generativelanguage.googleapis.com',
    basePath: '/v1beta',
    apiKey: new Secret('test-key'),
    bearerToken: undefined,
    apiVersion: undefined,
    organization: undefined,
    extraHeaders: {},
    defaults: {},
    capabilities: {},
    baseModel: undefined,
    dropParams: false,
    additionalDropParams: [],
    allowedOpenaiParams: [],
    modifyParams: false,
    ...overrides,
  }
}

export interface Fixture {
  readonly about: string
  readonly target?: Partial<Target>
  readonly hub?: Partial<ChatRequest>
}

export function fixtures<T extends Fixture>(kind: 'requests' | 'responses' | 'streams'): [name: string, fixture: T][] {
  const folder = new URL(`./fixtures/${kind}/`, import.meta.url)
  return readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .sort()
    .map(name => [name, JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T])
}

export const hubRequest = (fixture: Fixture): ChatRequest => ({
  model: 'group',
  messages: [{ role: 'user', content: 'Hello' }],
  ...fixture.hub,
})

/** Random ids and the clock taken out, so that answers can be compared. */
export function stable<T>(value: T): T {
  const calls = new Map<string, string>()
  const text = JSON.stringify(value)
    .replace(/call_[0-9a-f]{24}/g, id => {
      if (!calls.has(id)) calls.set(id, `call_${calls.size + 1}`)
      return calls.get(id) as string
    })
    .replace(/chatcmpl-[0-9a-f-]{36}/g, 'chatcmpl-generated')
    .replace(/"created":\d+/g, '"created":0')
  return JSON.parse(text) as T
}

/** Events as Google writes them: CRLF line ends, one `data:` line each. A string is sent as it is. */
export const sseText = (events: readonly unknown[]): string =>
  events.map(event => (typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\r\n\r\n`)).join('')

/** Runs a stream's bytes, cut as given, through parser and decoder. */
export function decodeStream(exchange: ChatExchange, pieces: readonly Buffer[]): ChatChunk[] {
  const decoder = exchange.stream()
  const parser = new SseParser()
  const out: ChatChunk[] = []
  const take = (event: SseEvent): void => decoder.push(event, out)
  for (const piece of pieces) parser.push(piece, take)
  parser.end(take)
  decoder.end(out)
  return out
}
