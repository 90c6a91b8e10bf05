import type { GatewayError } from '../platform/errors/gateway-error.ts'
import type { Dialect, NativeRequest, Operation } from '../providers/wire.ts'
import type { ChatRequest, ChatResponse } from '../translate/openai/types.ts'
import type { ChatStreamEncoder } from '../translate/stream.ts'

/** What a door has to know of the deployment a request is translated for. */
export interface TranslationOptions {
  /** Leave out what only the caller's own dialect can do, instead of refusing the call. */
  readonly dropParams: boolean
  /** Filled with the names of the fields left out. */
  readonly dropped: string[]
}

/**
 * What the pipeline must know of the protocol a caller speaks. Surfaces implement it; the pipeline never asks which
 * surface it serves.
 */
export interface Door {
  readonly dialect: Dialect
  readonly operation: Operation
  /** Header in which clients of this protocol look for the id of a call. */
  readonly idHeader: string
  /** Canonical path, as metrics and logs name it. */
  readonly route: string
  /** Checks what every deployment needs. @throws GatewayError that names the field at fault. */
  validate(body: Readonly<Record<string, unknown>>): void
  /** Caller's body → hub. @throws GatewayError for a body that cannot be translated. */
  chatRequest(request: NativeRequest, options: TranslationOptions): ChatRequest
  /** Hub answer → the caller's body, as JSON text. */
  chatResponse(response: ChatResponse, request: NativeRequest): string
  streamEncoder(request: NativeRequest, id: string): ChatStreamEncoder
  /**
   * A complete answer in the caller's own dialect, parsed → the stream it would have been: for upstreams that answer a
   * streamed call in one piece. Absent where the answer is the hub's, which the pipeline replays itself.
   */
  replay?(answer: unknown, request: NativeRequest): string
  /**
   * For operations that need no model: the answer made here, as JSON text, for deployments whose vendor does not offer
   * the operation. Absent on operations that only a model can answer.
   */
  answerHere?(request: NativeRequest): string
  errorBody(error: GatewayError, requestId: string): string
  /** An error event and a clean end, for a stream whose head is already sent. */
  errorEvent(error: GatewayError): string
}
