import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { DispatchController, Dispatcher, DispatchHandler } from '../../platform/security/egress.ts'
import type { TokenUsage } from '../../translate/token-usage.ts'
import { partialUsage } from '../accounting/partial-usage.ts'
import { bodyToSend } from '../accounting/send-body.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import { type Inflater, inflate, inflaterFor } from './content-encoding.ts'
import type { Answer, Leg } from './leg.ts'
import type { StreamReader } from './stream-reader.ts'
import { transportFailure } from './transport-failure.ts'

export type AttemptResult =
  /** A complete answer; nothing is sent to the caller yet. */
  | {
      readonly kind: 'answer'
      readonly answer: Answer
      readonly body: Buffer | string
      /** The body is ASCII text. */
      readonly oneByte?: boolean
      readonly headers: IncomingHttpHeaders
    }
  /** The stream was committed and has ended; `failure` is set when it ended with an error event. */
  | {
      readonly kind: 'streamed'
      readonly failure: UpstreamFailure | undefined
      readonly ttft: number | undefined
      /** The last piece, which is held until the call is in the books. */
      readonly tail: Buffer | string | undefined
    }
  /** Nothing was sent to the caller: retry or fall back. `unsent`: nothing was sent to the upstream either. */
  | { readonly kind: 'failed'; readonly failure: UpstreamFailure; readonly unsent?: boolean }
  /** The caller went away. */
  | { readonly kind: 'aborted' }

/** Milliseconds and bytes that bound one attempt. */
export interface AttemptLimits {
  /** Until the complete answer, or until a stream's first content. */
  readonly firstContent: number
  /** Longest silence of a committed stream. */
  readonly idle: number
  /** How long a stream's head is held for its first content. */
  readonly commit: number
  readonly maxBodyBytes: number
}

/** Called once, right before a stream's first byte goes to the caller: writes the response head. */
export type CommitHead = (upstreamHeaders: IncomingHttpHeaders) => void

const maxErrorBytes = 256 * 1024
/** Bytes of a stream held back while its head waits for content; more is treated as content. */
const maxHeldBytes = 256 * 1024

const callerLeft = new GatewayError('client_disconnected', 'The caller closed the connection.')

/** One try at one deployment: a small state machine fed by the dispatcher. */
export class Attempt implements DispatchHandler {
  readonly #call: Call
  readonly #leg: Leg
  readonly #vendor: string
  readonly #deployment: Deployment
  readonly #limits: AttemptLimits
  readonly #commitHead: CommitHead
  readonly #ended: ((result: AttemptResult) => AttemptResult) | undefined
  readonly #startedAt: number
  #resolve: (result: AttemptResult) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #controller: DispatchController | undefined
  #settled = false
  #status = 0
  #headers: IncomingHttpHeaders = {}
  #reader: StreamReader | undefined
  #inflater: Inflater | undefined
  #body: Buffer[] | undefined
  #bodyBytes = 0
  #streamedBytes = 0
  #held: (Buffer | string)[] | undefined
  #heldBytes = 0
  #committed = false
  #blocked = false
  #ttft: number | undefined
  #deadline: NodeJS.Timeout | undefined
  #commitTimer: NodeJS.Timeout | undefined
  #onDrain: (() => void) | undefined

  /** @param ended told the result, and may change it, before anybody who waits for it goes on */
  constructor(
    call: Call,
    deployment: Deployment,
    leg: Leg,
    limits: AttemptLimits,
    commitHead: CommitHead,
    ended?: (result: AttemptResult) => AttemptResult,
  ) {
    this.#call = call
    this.#leg = leg
    this.#deployment = deployment
    this.#vendor = deployment.target.vendor.name
    this.#limits = limits
    this.#commitHead = commitHead
    this.#ended = ended
    this.#startedAt = performance.now()
  }

  run(dispatcher: Dispatcher): Promise<AttemptResult> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      const { request } = this.#leg
      this.#deadline = setTimeout(() => this.#timedOut(), this.#limits.firstContent)
      this.#call.onClose(() => this.#callerLeft())
      if (this.#settled) return
      try {
        dispatcher.dispatch(
          {
            path: request.path,
            method: request.method,
            headers: request.headers,
            body: this.#leg.bytes ?? request.body,
            headersTimeout: 0,
            bodyTimeout: 0,
          },
          this,
        )
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  onRequestStart(controller: DispatchController): void {
    this.#controller = controller
    if (this.#settled) controller.abort(callerLeft)
  }

  onResponseStart(_controller: DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#settled || status < 200) return
    this.#status = status
    this.#headers = headers
    const encoding = headers['content-encoding']
    const type = headers['content-type'] ?? ''
    if (this.#call.stream && !this.#leg.fakeStream && status < 300 && !isJson(type)) {
      if (isHtml(type)) {
        this.#fail(new UpstreamFailure('bad_gateway', `${this.#vendor}: answered with ${type} instead of a stream.`))
        return
      }
      this.#reader = this.#leg.reader()
      if (encoding !== undefined && encoding !== 'identity') {
        this.#inflater = inflaterFor(
          encoding,
          chunk => this.#stream(chunk),
          error => this.#fail(error),
        )
      }
      this.#commitTimer = setTimeout(() => this.#commit(), this.#limits.commit)
    }
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    if (this.#settled) return
    if (this.#reader === undefined) {
      this.#bodyBytes += chunk.length
      const limit = this.#status >= 300 ? maxErrorBytes : this.#limits.maxBodyBytes
      if (this.#bodyBytes > limit) {
        if (this.#status >= 300) this.#endBody()
        else
          this.#fail(new UpstreamFailure('bad_gateway', `${this.#vendor}: the answer is larger than ${limit} bytes.`))
        return
      }
      if (this.#body === undefined) this.#body = [chunk]
      else this.#body.push(chunk)
      return
    }
    if (this.#inflater !== undefined) this.#inflater.write(chunk)
    else this.#stream(chunk)
  }

  onResponseEnd(): void {
    if (this.#settled) return
    if (this.#reader === undefined) this.#endBody()
    else if (this.#inflater !== undefined) this.#inflater.end(() => this.#endStream())
    else this.#endStream()
  }

  onResponseError(_controller: DispatchController, error: Error): void {
    if (this.#settled) return
    if (this.#reader === undefined) this.#fail(error)
    else this.#endStream(error)
  }

  /** The upstream is aborted too, unless the operator wants answers finished and booked (`cancel_on_disconnect`). */
  #callerLeft(): void {
    if (this.#call.snapshot.limits.cancelOnDisconnect) this.#settle({ kind: 'aborted' }, callerLeft)
    else this.#onDrain?.()
  }

  #stream(chunk: Buffer): void {
    const reader = this.#reader
    if (this.#settled || reader === undefined) return
    this.#streamedBytes += chunk.length
    let out: Buffer | string | undefined
    try {
      out = reader.push(chunk)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#committed) {
      this.#deadline?.refresh()
      if (out !== undefined) this.#write(out)
      if (this.#ttft === undefined && reader.content) this.#sawContent()
      return
    }
    if (out !== undefined) {
      if (this.#held === undefined) this.#held = [out]
      else this.#held.push(out)
      this.#heldBytes += out.length
    }
    if (reader.content) {
      this.#sawContent()
      this.#commit()
    } else if (this.#heldBytes > maxHeldBytes) {
      this.#commit()
    }
  }

  /** From here on silence is bounded by the idle limit instead of the first-content one. */
  #sawContent(): void {
    this.#ttft = performance.now() - this.#startedAt
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.#timedOut(), this.#limits.idle)
  }

  #commit(): void {
    if (this.#committed || this.#settled) return
    clearTimeout(this.#commitTimer)
    this.#committed = true
    if (this.#call.closed) return
    this.#commitHead(this.#headers)
    const held = this.#held
    this.#held = undefined
    if (held === undefined) this.#call.response.flushHeaders()
    else for (const piece of held) this.#write(piece)
  }

  #write(piece: Buffer | string): void {
    this.#call.kept?.add(piece)
    if (this.#call.closed || this.#call.response.write(piece) || this.#blocked) return
    // The caller reads slower than the upstream sends: stop reading, so memory stays bounded by one socket buffer.
    this.#blocked = true
    this.#controller?.pause()
    this.#inflater?.pause()
    this.#deadline?.refresh()
    this.#onDrain = () => {
      this.#blocked = false
      this.#onDrain = undefined
      this.#deadline?.refresh()
      this.#inflater?.resume()
      this.#controller?.resume()
    }
    this.#call.response.once('drain', this.#onDrain)
  }

  /** @param broken why the connection ended, where it did not end well: no harm to a stream that was complete. */
  #endStream(broken?: Error): void {
    if (this.#settled || this.#reader === undefined) return
    let out: Buffer | string | undefined
    try {
      out = this.#reader.end(broken !== undefined)
    } catch (error) {
      this.#fail(broken ?? error)
      return
    }
    if (!this.#committed) this.#commit()
    this.#settle({ kind: 'streamed', failure: undefined, ttft: this.#ttft, tail: out })
  }

  #endBody(): void {
    const encoding = this.#headers['content-encoding']
    const chunks = this.#body ?? []
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
    this.#body = undefined
    if (encoding === undefined || encoding === 'identity') {
      this.#readBody(body)
      return
    }
    inflate(encoding, body, this.#limits.maxBodyBytes).then(
      inflated => this.#readBody(inflated),
      // The status of a refusal tells enough without its words.
      error => (this.#status >= 300 ? this.#readBody(Buffer.alloc(0)) : this.#fail(error)),
    )
  }

  #readBody(body: Buffer): void {
    if (this.#settled) return
    const text = body.toString('utf8')
    const { wire } = this.#deployment
    try {
      if (this.#status >= 400) throw wire.failure(this.#status, this.#headers, text)
      if (this.#status >= 300) {
        throw new UpstreamFailure(
          'bad_gateway',
          `${this.#vendor}: answered with a redirect (${this.#status}), which is not followed.`,
        )
      }
      const answer = this.#leg.answer(text)
      const own = answer.text ?? bodyToSend(body, text)
      const oneByte = answer.text === undefined && typeof own === 'string'
      this.#settle({ kind: 'answer', answer, body: own, oneByte, headers: this.#headers })
    } catch (error) {
      this.#fail(error)
    }
  }

  #timedOut(): void {
    if (this.#blocked) {
      this.#settle({ kind: 'aborted' }, callerLeft)
      this.#call.response.destroy()
      return
    }
    const seconds = (this.#ttft === undefined ? this.#limits.firstContent : this.#limits.idle) / 1000
    const what = this.#ttft !== undefined ? 'was silent for' : 'did not answer within'
    this.#fail(new UpstreamFailure('timeout', `${this.#vendor}: ${what} ${seconds} s.`))
  }

  #fail(error: unknown): void {
    if (this.#settled) return
    const failure =
      error instanceof RangeError
        ? new UpstreamFailure('bad_gateway', `${this.#vendor}: ${error.message}.`)
        : transportFailure(error, this.#vendor)
    if (!this.#committed) {
      this.#settle({ kind: 'failed', failure }, failure)
      return
    }
    const tail = (this.#reader?.beforeFailure() ?? '') + this.#call.door.errorEvent(failure)
    this.#settle({ kind: 'streamed', failure, ttft: this.#ttft, tail }, failure)
  }

  /** A stream that broke off, or whose caller left, has used what came of it. */
  #streamUsage({ usage, content }: StreamReader, result: AttemptResult): TokenUsage | undefined {
    const cutShort = result.kind === 'aborted' || (result.kind === 'streamed' && result.failure !== undefined)
    if (!cutShort || !content) return usage
    return partialUsage(this.#call, usage, this.#deployment.wire.dialect, this.#streamedBytes)
  }

  /** Ends the attempt once; with `abort`, the upstream connection is torn down at once. */
  #settle(result: AttemptResult, abort?: Error): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#deadline)
    clearTimeout(this.#commitTimer)
    this.#call.onClose(undefined)
    if (this.#onDrain !== undefined) this.#call.response.off('drain', this.#onDrain)
    this.#inflater?.destroy()
    if (abort !== undefined && this.#controller !== undefined && !this.#controller.aborted)
      this.#controller.abort(abort)
    if (this.#reader !== undefined) this.#call.usage = this.#streamUsage(this.#reader, result) ?? this.#call.usage
    if (this.#ended === undefined) {
      this.#resolve(result)
      return
    }
    try {
      this.#resolve(this.#ended(result))
    } catch (error) {
      this.#reject(error)
    }
  }
}

const isJson = (type: string): boolean => type.startsWith('application/json')
const isHtml = (type: string): boolean => type.startsWith('text/html')
