import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { DispatchController, Dispatcher } from '../../platform/security/egress.ts'
import { openaiWire } from '../../providers/openai/wire.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import { Attempt, type AttemptLimits, type AttemptResult } from './attempt.ts'
import type { Leg } from './leg.ts'
import { RelayReader } from './stream-reader.ts'

/** The caller's side: keeps what was written, takes no more than told. */
class FakeResponse extends EventEmitter {
  readonly written: string[] = []
  ended = false
  destroyed = false
  /** Answer of `write`: false says that the caller's buffers are full. */
  takes = true

  write(piece: Buffer | string): boolean {
    this.written.push(String(piece))
    return this.takes
  }

  end(piece?: string): void {
    if (piece !== undefined) this.written.push(piece)
    this.ended = true
  }

  destroy(): void {
    this.destroyed = true
  }

  flushHeaders(): void {}
}

/** An attempt between a scripted upstream and a scripted caller. */
export function scene(
  options: { stream?: boolean; cancelOnDisconnect?: boolean; limits?: Partial<AttemptLimits> } = {},
) {
  const response = new FakeResponse()
  const log: string[] = []
  let leave: (() => void) | undefined
  const call = {
    stream: options.stream ?? true,
    closed: false,
    usage: undefined,
    request: { json: {}, text: '{}', headers: {} },
    response: response as unknown as ServerResponse,
    snapshot: { limits: { cancelOnDisconnect: options.cancelOnDisconnect ?? true } },
    door: { errorEvent: (error: GatewayError) => `[error ${error.code}]` },
    onClose(listener: (() => void) | undefined) {
      leave = listener
    },
  }
  const leg: Leg = {
    request: { method: 'POST', path: '/v1/x', headers: {}, body: '{}' },
    droppedParams: [],
    fakeStream: false,
    answer: text => {
      if (text === 'boom') throw new TypeError('a defect')
      return { text, usage: undefined, contentFiltered: false }
    },
    reader: () => new RelayReader(openaiWire, false),
  }
  const deployment = { wire: openaiWire, target: { vendor: { name: 'Vendor' } } } as unknown as Deployment
  const limits: AttemptLimits = { firstContent: 1000, idle: 500, commit: 200, maxBodyBytes: 10_000, ...options.limits }
  const attempt = new Attempt(call as unknown as Call, deployment, leg, limits, () => log.push('head'))
  const controller = {
    aborted: false,
    pause: () => log.push('pause'),
    resume: () => log.push('resume'),
    abort: () => {
      controller.aborted = true
      log.push('abort')
    },
  } as unknown as DispatchController & { aborted: boolean }
  const dispatcher = { dispatch: () => true } as unknown as Dispatcher
  let result: AttemptResult | undefined
  const done = attempt.run(dispatcher).then(settled => {
    result = settled
    return settled
  })
  attempt.onRequestStart(controller)
  return {
    attempt,
    response,
    log,
    done,
    get result() {
      return result
    },
    head: (status: number, headers: Record<string, string>) => attempt.onResponseStart(controller, status, headers),
    data: (text: string | Buffer) => attempt.onResponseData(controller, Buffer.from(text)),
    end: () => attempt.onResponseEnd(),
    fail: (error: Error) => attempt.onResponseError(controller, error),
    leave: () => {
      call.closed = true
      leave?.()
    },
  }
}

const event = (body: unknown): string => `data: ${JSON.stringify(body)}\n\n`
const choice = (delta: object, finish: string | null): string =>
  event({ choices: [{ index: 0, delta, finish_reason: finish }] })

export const events = {
  role: choice({ role: 'assistant', content: '' }, null),
  text: choice({ content: 'hello' }, null),
  finish: choice({}, 'stop'),
  done: 'data: [DONE]\n\n',
  error: event({ error: { message: 'overloaded', type: 'server_error' } }),
}
