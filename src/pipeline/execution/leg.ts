import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { UpstreamRequest, Wire } from '../../providers/wire.ts'
import type { ChatResponse, EmbeddingRequest } from '../../translate/openai/types.ts'
import type { ChatStreamDecoder } from '../../translate/stream.ts'
import { type TokenUsage, tokenUsageOf } from '../../translate/token-usage.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import { chunksOf } from './replay.ts'
import { RelayReader, type StreamReader, TranslateReader } from './stream-reader.ts'

/** A complete answer, ready for the caller. */
export interface Answer {
  readonly text: string
  readonly usage: TokenUsage | undefined
  readonly contentFiltered: boolean
}

/** How one call talks to one deployment: what to send, and how to read what comes back. */
export interface Leg {
  readonly request: UpstreamRequest
  readonly droppedParams: readonly string[]
  /** The upstream answers in one piece though the caller streams: the answer is replayed as events. */
  readonly fakeStream: boolean
  /** @throws UpstreamFailure when a 2xx body is not an answer. */
  answer(text: string): Answer
  reader(): StreamReader
}

/**
 * Chooses relay or translation for a call and a deployment.
 * @throws GatewayError when the request cannot be put to this deployment.
 */
export function legFor(call: Call, deployment: Deployment, request: NativeRequest): Leg {
  const { wire, target } = deployment
  const { door } = call
  if (wire.dialect === door.dialect && target.vendor.operations.includes(door.operation)) {
    const forwarded = wire.forward(door.operation, request, target)
    if (forwarded !== undefined) {
      return new RelayLeg(call, wire, forwarded.request, forwarded.droppedParams, forwarded.stripUsage)
    }
  }
  if (door.operation === 'embeddings') return embeddingLeg(deployment, request)
  const exchange = wire.chat(door.chatRequest(request), target)
  return {
    request: exchange.request,
    droppedParams: exchange.droppedParams,
    fakeStream: exchange.fakeStream && call.stream,
    answer(text) {
      const response = exchange.decode(parseBody(text))
      const reader = call.stream ? new TranslateReader(exchange.stream(), door.streamEncoder(request, call.id)) : undefined
      return {
        text: reader === undefined ? door.chatResponse(response, request) : reader.replay(chunksOf(response)),
        usage: response.usage === undefined ? undefined : tokenUsageOf(response.usage),
        contentFiltered: response.choices.some(choice => choice.finish_reason === 'content_filter'),
      }
    },
    reader: () => new TranslateReader(exchange.stream(), door.streamEncoder(request, call.id)),
  }
}

class RelayLeg implements Leg {
  readonly request: UpstreamRequest
  readonly droppedParams: readonly string[]
  readonly fakeStream = false
  readonly #call: Call
  readonly #wire: Wire
  readonly #stripUsage: boolean

  constructor(call: Call, wire: Wire, request: UpstreamRequest, droppedParams: readonly string[], stripUsage: boolean) {
    this.#call = call
    this.#wire = wire
    this.request = request
    this.droppedParams = droppedParams
    this.#stripUsage = stripUsage
  }

  answer(text: string): Answer {
    const signals = this.#wire.readBody(this.#call.door.operation, text)
    if (signals.failure !== undefined) throw signals.failure
    const { usage, contentFiltered } = signals
    if (!this.#call.stream) return { text, usage, contentFiltered }
    // The upstream answered in one piece though a stream was asked for: replay it as one.
    const { door, request, id } = this.#call
    if (door.operation !== 'chat') {
      throw new UpstreamFailure('bad_gateway', 'The upstream answered a streamed call without a stream.')
    }
    const reader = new TranslateReader(noStream, door.streamEncoder(request, id))
    return { text: reader.replay(chunksOf(parseBody(text) as ChatResponse)), usage, contentFiltered }
  }

  reader(): StreamReader {
    return new RelayReader(this.#wire, this.#stripUsage)
  }
}

const noStream: ChatStreamDecoder = { push() {}, end() {} }

function embeddingLeg(deployment: Deployment, request: NativeRequest): Leg {
  const { wire, target } = deployment
  if (wire.embeddings === undefined) {
    throw new UpstreamFailure('bad_request', `${target.vendor.name} has no embeddings; route this model to another vendor.`)
  }
  const exchange = wire.embeddings(request.json as unknown as EmbeddingRequest, target)
  return {
    request: exchange.request,
    droppedParams: exchange.droppedParams,
    fakeStream: false,
    answer(text) {
      const response = exchange.decode(parseBody(text))
      return {
        text: JSON.stringify(response),
        usage: tokenUsageOf({ ...response.usage, completion_tokens: 0 }),
        contentFiltered: false,
      }
    },
    reader() {
      throw new UpstreamFailure('bad_request', 'Embeddings are not streamed.')
    },
  }
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UpstreamFailure('bad_gateway', 'The upstream answered with a body that is not JSON.')
  }
}
