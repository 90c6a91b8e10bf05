import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Fault, parseFault, splitModel } from './fault.ts'
import { findRoute, type Route, readBody } from './route.ts'
import { Sender } from './sender.ts'
import { isJson, type Json, type Memory, type RecordedRequest, type Reply, WireRejection } from './types.ts'

export interface UpstreamOptions {
  /** 0 (default): any free port. */
  readonly port?: number
  readonly host?: string
  /** The only key accepted; by default any key that is there. */
  readonly apiKey?: string
  /** Requests kept for assertions; the oldest are dropped. Default 10,000. */
  readonly keep?: number
  /** For fuzzing: a request that no rule foresaw is refused (400) in place of being reported as a defect of ours. */
  readonly refuseUnforeseen?: boolean
}

/** Says which requests a programmed fault concerns; a string is the model's name. */
export type Matcher = string | ((request: RecordedRequest) => boolean)

export interface Upstream {
  readonly url: string
  readonly port: number
  readonly requests: RecordedRequest[]
  /** Connections open now. */
  readonly connections: number
  /** Programs a fault until `reset()` or the returned function is called; the latest that matches wins. */
  fault(matcher: Matcher, fault: Fault | string): () => void
  /** Resets the next `count` connections as they are made, before any request. */
  resetConnections(count: number): void
  /** Resolves with the first request that fits, also one already here; rejects after `timeout` (default 5,000 ms). */
  waitFor(predicate: (request: RecordedRequest) => boolean, timeout?: number): Promise<RecordedRequest>
  /** Forgets requests, programmed faults, `fail` counters and cached prefixes. */
  reset(): void
  close(): Promise<void>
}

interface Rule {
  readonly matcher: Matcher
  readonly fault: Fault
  readonly key: string
}

class UpstreamServer implements Upstream {
  readonly requests: RecordedRequest[] = []
  url = ''
  port = 0
  readonly #options: UpstreamOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #rules: Rule[] = []
  #ruleCount = 0
  readonly #failures = new Map<string, number>()
  #resets = 0
  #ids = 0
  #memory: Memory
  readonly #waiters = new Set<() => void>()

  constructor(options: UpstreamOptions) {
    this.#options = options
    this.#memory = this.#newMemory()
    this.#server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
      void this.#handle(request, response).catch(error => {
        console.error('upstream defect:', error)
        response.destroy()
      })
    })
    this.#server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true)
      if (this.#resets > 0) {
        this.#resets--
        socket.resetAndDestroy()
        return
      }
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  async listen(): Promise<void> {
    const host = this.#options.host ?? '127.0.0.1'
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#options.port ?? 0, host, resolve)
    })
    this.port = (this.#server.address() as AddressInfo).port
    this.url = `http://${host}:${this.port}`
  }

  get connections(): number {
    return this.#sockets.size
  }

  fault(matcher: Matcher, fault: Fault | string): () => void {
    const parsed = typeof fault === 'string' ? parseFault(fault) : fault
    const rule = { matcher, fault: parsed, key: `rule ${++this.#ruleCount}` }
    this.#rules.push(rule)
    return () => {
      this.#rules = this.#rules.filter(other => other !== rule)
    }
  }

  resetConnections(count: number): void {
    this.#resets = count
  }

  async waitFor(predicate: (request: RecordedRequest) => boolean, timeout = 5000): Promise<RecordedRequest> {
    const deadline = performance.now() + timeout
    for (;;) {
      const found = this.requests.find(predicate)
      if (found !== undefined) return found
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`no upstream request fits within ${timeout} ms (${this.requests.length} recorded)`)
      await new Promise<void>(resolve => {
        const wake = (): void => {
          clearTimeout(timer)
          this.#waiters.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, Math.min(left, 25))
        this.#waiters.add(wake)
      })
    }
  }

  reset(): void {
    this.requests.length = 0
    this.#rules = []
    this.#failures.clear()
    this.#resets = 0
    this.#memory = this.#newMemory()
  }

  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #newMemory(): Memory {
    return {
      cachedPrefixes: new Set(),
      nextId: prefix => `${prefix}${(++this.#ids).toString(36).padStart(8, '0')}`,
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const receivedAt = performance.now()
    const gone = new AbortController()
    const chunks: Buffer[] = []
    let record: RecordedRequest | undefined
    response.on('close', () => {
      // `finishedAt` is set before every planned end, also a planned break.
      if (record !== undefined && record.finishedAt === undefined) record.abortedAt = performance.now()
      gone.abort()
      this.#wake()
    })
    response.on('error', () => gone.abort())
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const text = Buffer.concat(chunks).toString('utf8')
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://upstream')
    const base = {
      method: request.method ?? '',
      url: request.url ?? '',
      path: pathname,
      headers: request.headers,
      text,
    }
    const times = { receivedAt, status: undefined, bytesSent: 0, finishedAt: undefined, abortedAt: undefined }
    const start = { ...base, rawHeaders: request.rawHeaders, ...times, rejected: undefined }

    let route: Route
    let body: Json = {}
    try {
      route = findRoute(base.method, pathname, request.headers)
      if (route.method === 'POST') body = readBody(text, request.headers['content-type'])
    } catch (error) {
      record = { ...start, body: undefined, wire: 'openai', model: '' }
      this.#keep(record)
      await this.#refuse(error, record, {}, response, gone.signal)
      return
    }
    const named = splitModel(route.model ?? (typeof body['model'] === 'string' ? body['model'] : ''))
    record = { ...start, body, wire: route.wire.name, model: named.model }
    this.#keep(record)

    let fault: Fault = {}
    let reply: Reply
    try {
      fault = this.#faultOf(record, named.faultText)
      if (fault.no_stream === true) {
        const { stream: _stream, stream_options: _options, ...whole } = body
        body = whole
      }
      const call = { ...base, query: searchParams, body, model: named.model, fault }
      reply = route.wire.answer({ ...call, memory: this.#memory, apiKey: this.#options.apiKey })
    } catch (error) {
      await this.#refuse(error, record, fault, response, gone.signal)
      return
    }
    const sender = new Sender(response, fault, record, gone.signal)
    await this.#withFaults(route, reply, fault, sender, record, response, gone.signal)
  }

  async #withFaults(
    route: Route,
    reply: Reply,
    fault: Fault,
    sender: Sender,
    record: RecordedRequest,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    if (fault.delay !== undefined) {
      await sleep(fault.delay, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
    }
    if (fault.reset === true) {
      record.finishedAt = performance.now()
      response.socket?.resetAndDestroy()
      return
    }
    if (fault.hang === true) return
    const { wire } = route
    if (fault.html === true) {
      const page =
        '<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>'
      return sender.sendText(fault.status ?? 200, { 'content-type': 'text/html; charset=utf-8' }, page)
    }
    const status = fault.status ?? (fault.context === true ? 400 : fault.quota === true ? 429 : undefined)
    if (status !== undefined && status !== 200) {
      const { headers, body } = wire.failure(status, fault)
      return sender.send({ kind: 'json', status, headers, body }, wire)
    }
    if (fault.error_body === true) {
      const code = fault.error_kind === 'rate_limit' ? 429 : fault.error_kind === 'invalid' ? 400 : 503
      return sender.send({ kind: 'json', status: 200, headers: {}, body: wire.failure(code, {}).body }, wire)
    }
    await sender.send(reply, wire)
  }

  async #refuse(
    error: unknown,
    record: RecordedRequest,
    fault: Fault,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const foreseen = error instanceof WireRejection || this.#options.refuseUnforeseen === true
    const rejection =
      error instanceof WireRejection
        ? error
        : new WireRejection(
            foreseen ? 400 : 500,
            { error: { message: `upstream defect: ${String(error)}`, type: 'invalid_request_error' } },
            String(error),
          )
    if (!foreseen) console.error('upstream defect:', error)
    record.rejected = rejection.message
    if (fault.delay !== undefined) await sleep(fault.delay, undefined, { signal }).catch(() => undefined)
    await new Sender(response, {}, record, signal).sendText(rejection.status, {}, JSON.stringify(rejection.body))
  }

  /** Suffix of the model, then the header, then programmed rules; later ones override single members. */
  #faultOf(record: RecordedRequest, suffix: string): Fault {
    const header = record.headers['x-fault']
    let fault: Fault = this.#active(suffix === '' ? {} : parseFault(suffix), `${record.wire} ${record.model}@${suffix}`)
    if (typeof header === 'string') fault = { ...fault, ...this.#active(parseFault(header), `header ${header}`) }
    for (const rule of this.#rules) {
      const fits = typeof rule.matcher === 'string' ? rule.matcher === record.model : rule.matcher(record)
      if (fits) fault = { ...fault, ...this.#active(rule.fault, rule.key) }
    }
    return fault
  }

  /** `fail=N`: the fault acts on the first N calls, then the upstream is well. */
  #active(fault: Fault, key: string): Fault {
    if (fault.fail === undefined) return fault
    const calls = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, calls)
    if (calls > fault.fail) return {}
    return Object.keys(fault).length === 1 ? { ...fault, status: 500 } : fault
  }

  #keep(record: RecordedRequest): void {
    this.requests.push(record)
    if (this.requests.length > (this.#options.keep ?? 10_000)) this.requests.shift()
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake()
  }
}

export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  const upstream = new UpstreamServer(options)
  await upstream.listen()
  return upstream
}

/** The recorded body as an object, for assertions. */
export function bodyOf(request: RecordedRequest | undefined): Json {
  return isJson(request?.body) ? request.body : {}
}
