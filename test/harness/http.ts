import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { SseParser } from '../../src/translate/sse.ts'
import type { Json } from '../upstream/types.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The parsed body; undefined when it is no JSON. */
  readonly json: Json | undefined
}

export interface StreamEvent {
  readonly event: string
  readonly data: string
  /** The parsed data; undefined for `[DONE]` and what is no JSON. */
  readonly json: Json | undefined
  /** Milliseconds since the request was sent. */
  readonly at: number
}

export interface StreamAnswer extends HttpAnswer {
  readonly events: readonly StreamEvent[]
  /** `clean`: the body ended as HTTP says; otherwise the error's code. */
  readonly end: string
  /** Milliseconds from sending until the response head. */
  readonly headAt: number
}

export interface HttpOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** An object is sent as JSON, a text or buffer as it is. */
  readonly body?: unknown
  /** Ends the call by closing its connection. */
  readonly signal?: AbortSignal
  /** Called for every event of a stream as it arrives. */
  readonly onEvent?: (event: StreamEvent) => void
}

/** Idle connections go long before the gateway closes them (75 s): whoever is a moment late would meet a closed one. */
const agent = new Agent({ keepAlive: true, maxSockets: 256, timeout: 30_000 })

/** Sends one raw request and reads the whole answer, whatever it is. Rejects only when no response head came. */
export function send(url: string, options: HttpOptions = {}): Promise<StreamAnswer> {
  const started = performance.now()
  const body = options.body === undefined ? undefined : bodyBytes(options.body)
  const headers: Record<string, string | number> = { 'content-type': 'application/json' }
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value === undefined) delete headers[name]
    else headers[name] = value
  }
  if (body !== undefined) headers['content-length'] ??= body.length
  return new Promise((resolve, reject) => {
    const method = options.method ?? (body === undefined ? 'GET' : 'POST')
    const request = httpRequest(url, { method, headers, agent, signal: options.signal })
    let answered = false
    request.on('error', error => {
      // Once a head is here, the response's own end tells what happened.
      if (!answered) reject(error)
    })
    request.on('response', response => {
      answered = true
      const headAt = performance.now() - started
      const chunks: Buffer[] = []
      const events: StreamEvent[] = []
      const isStream = String(response.headers['content-type']).startsWith('text/event-stream')
      const parser = new SseParser()
      const take = (event: { event: string; data: string }): void => {
        const entry = {
          event: event.event,
          data: event.data,
          json: parseJson(event.data),
          at: performance.now() - started,
        }
        events.push(entry)
        options.onEvent?.(entry)
      }
      let settled = false
      const finish = (end: string): void => {
        if (settled) return
        settled = true
        if (isStream && end === 'clean') parser.end(take)
        const text = Buffer.concat(chunks).toString('utf8')
        const { statusCode = 0, headers: answeredHeaders } = response
        resolve({ status: statusCode, headers: answeredHeaders, text, json: parseJson(text), events, end, headAt })
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if (isStream) parser.push(chunk, take)
      })
      response.on('end', () => finish('clean'))
      response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
      response.on('close', () => finish(response.complete ? 'clean' : 'closed'))
    })
    request.end(body)
  })
}

export interface CallTarget {
  readonly url: string
  readonly key: string
}

type ChatOptions = Omit<HttpOptions, 'body' | 'method'> & { readonly path?: string }

/** `POST /v1/chat/completions`; a text stands for one user message. */
export function chat(
  target: CallTarget,
  model: string,
  messages: string | Json[],
  extra: Json = {},
  options: ChatOptions = {},
): Promise<StreamAnswer> {
  const list = typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages
  return send(`${target.url}${options.path ?? '/v1/chat/completions'}`, {
    ...options,
    headers: { authorization: `Bearer ${target.key}`, ...options.headers },
    body: { model, messages: list, ...extra },
  })
}

export function chatStream(
  target: CallTarget,
  model: string,
  messages: string | Json[],
  extra: Json = {},
  options: ChatOptions = {},
): Promise<StreamAnswer> {
  return chat(target, model, messages, { stream: true, ...extra }, options)
}

/** `POST /v1/messages` in the Anthropic dialect. */
export function message(
  target: CallTarget,
  model: string,
  messages: string | Json[],
  extra: Json = {},
  options: ChatOptions = {},
): Promise<StreamAnswer> {
  const list = typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages
  return send(`${target.url}${options.path ?? '/v1/messages'}`, {
    ...options,
    headers: { 'x-api-key': target.key, 'anthropic-version': '2023-06-01', ...options.headers },
    body: { model, max_tokens: 1024, messages: list, ...extra },
  })
}

/** Text of a chat answer, streamed or not (choice 0). */
export function contentOf(answer: StreamAnswer): string {
  const choice = (body: Json | undefined): Json | undefined =>
    (body?.['choices'] as Json[] | undefined)?.find(entry => (entry['index'] ?? 0) === 0)
  if (answer.events.length === 0)
    return String((choice(answer.json)?.['message'] as Json | undefined)?.['content'] ?? '')
  return answer.events
    .map(event => String((choice(event.json)?.['delta'] as Json | undefined)?.['content'] ?? ''))
    .join('')
}

function bodyBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}
