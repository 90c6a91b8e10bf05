import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ForwardedRequest, NativeRequest, UpstreamRequest } from '../../providers/wire.ts'
import type { ChatResponse, EmbeddingRequest } from '../../translate/openai/types.ts'
import type { ChatStreamDecoder } from '../../translate/stream.ts'
import { type TokenUsage, tokenUsageOf } from '../../translate/token-usage.ts'
import { costNano } from '../accounting/cost.ts'
import { serviceTierOf } from '../accounting/service-tier.ts'
import type { Call } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import { chunksOf } from './replay.ts'
import { type CostInUsage, RelayReader, type StreamReader, TranslateReader } from './stream-reader.ts'

/** A complete answer, ready for the caller. */
export interface Answer {
  /** The caller's body; undefined when the upstream's own bytes go to the caller as they are. */
  readonly text: string | undefined
  readonly usage: TokenUsage | undefined
  readonly contentFiltered: boolean
}

/** How one call talks to one deployment: what to send, and how to read what comes back. */
export interface Leg {
  readonly request: UpstreamRequest
  /** The body of the request as it came from the caller, where it goes on unchanged. */
  readonly bytes?: Buffer | undefined
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
      const bytes = forwarded.request.body === request.text ? request.bytes : undefined
      return new RelayLeg(call, deployment, forwarded, bytes)
    }
  }
  if (door.operation === 'embeddings') return embeddingLeg(deployment, request)
  const own = request.json['drop_params']
  const dropped: string[] = []
  const options = { dropParams: typeof own === 'boolean' ? own : target.dropParams, dropped }
  const exchange = wire.chat(door.chatRequest(request, options), target)
  return {
    request: exchange.request,
    droppedParams: dropped.length === 0 ? exchange.droppedParams : [...dropped, ...exchange.droppedParams],
    fakeStream: exchange.fakeStream && call.stream,
    answer(text) {
      const response = exchange.decode(parseBody(text))
      return {
        text: call.stream ? replay(call, deployment, request, response) : door.chatResponse(response, request),
        usage: response.usage === undefined ? undefined : tokenUsageOf(response.usage, response.service_tier),
        contentFiltered: response.choices.some(choice => choice.finish_reason === 'content_filter'),
      }
    },
    reader: () =>
      new TranslateReader(exchange.stream(), door.streamEncoder(request, call.id), costInUsage(call, deployment)),
  }
}

/** With `include_cost_in_streaming_usage`: what the last chunk of an OpenAI stream says of its cost. */
function costInUsage(call: Call, deployment: Deployment): CostInUsage | undefined {
  if (!call.snapshot.limits.costInStreamUsage || call.door.dialect !== 'openai') return undefined
  return usage => {
    const nano = costNano(usage, deployment.price, serviceTierOf(usage, call.request, deployment))
    return nano < 0 ? undefined : nano / 1e9
  }
}

class RelayLeg implements Leg {
  readonly request: UpstreamRequest
  readonly bytes: Buffer | undefined
  readonly droppedParams: readonly string[]
  readonly fakeStream = false
  readonly #call: Call
  readonly #deployment: Deployment
  readonly #stripUsage: boolean

  constructor(call: Call, deployment: Deployment, forwarded: ForwardedRequest, bytes: Buffer | undefined) {
    this.bytes = bytes
    this.#call = call
    this.#deployment = deployment
    this.request = forwarded.request
    this.droppedParams = forwarded.droppedParams
    this.#stripUsage = forwarded.stripUsage
  }

  answer(text: string): Answer {
    const signals = this.#deployment.wire.readBody(this.#call.door.operation, text)
    if (signals.failure !== undefined) throw signals.failure
    const { usage, contentFiltered } = signals
    if (!this.#call.stream) return { text: undefined, usage, contentFiltered }
    // The upstream answered in one piece though a stream was asked for: replay it as one.
    const { door, request } = this.#call
    const body = parseBody(text)
    const events =
      door.replay === undefined
        ? replay(this.#call, this.#deployment, request, body as ChatResponse)
        : door.replay(body, request)
    return { text: events, usage, contentFiltered }
  }

  reader(): StreamReader {
    return new RelayReader(this.#deployment.wire, this.#stripUsage, costInUsage(this.#call, this.#deployment))
  }
}

const noStream: ChatStreamDecoder = { push() {}, end() {} }

/** A complete hub answer as the caller's events. */
function replay(call: Call, deployment: Deployment, request: NativeRequest, response: ChatResponse): string {
  const encoder = call.door.streamEncoder(request, call.id)
  return new TranslateReader(noStream, encoder, costInUsage(call, deployment)).replay(chunksOf(response))
}

function embeddingLeg(deployment: Deployment, request: NativeRequest): Leg {
  const { wire, target } = deployment
  if (wire.embeddings === undefined) {
    throw new UpstreamFailure(
      'bad_request',
      `${target.vendor.name} has no embeddings; route this model to another vendor.`,
    )
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
