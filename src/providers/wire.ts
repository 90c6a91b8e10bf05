import type { UpstreamFailure } from '../platform/errors/gateway-error.ts'
import type { Secret } from '../platform/security/secret.ts'
import type { ChatRequest, ChatResponse, EmbeddingRequest, EmbeddingResponse } from '../translate/openai/types.ts'
import type { ChatStreamDecoder } from '../translate/stream.ts'
import type { TokenUsage } from '../translate/token-usage.ts'
import type { VendorQuirks } from './vendor-quirks.ts'

/** A wire format an upstream speaks. Vendors are rows of `vendors.ts`; code exists per wire. */
export type WireId = 'openai' | 'azure-openai' | 'anthropic' | 'gemini'

/** A protocol a caller speaks. A wire whose dialect is the caller's relays bytes instead of translating. */
export type Dialect = 'openai' | 'anthropic' | 'gemini'

export type Operation = 'chat' | 'completions' | 'embeddings' | 'messages' | 'count_tokens'

export interface Vendor {
  /** LiteLLM's provider id, the prefix of `model:` in a config. */
  readonly id: string
  readonly name: string
  readonly wire: WireId
  /** Default base URL; undefined where the deployment must give `api_base`. */
  readonly baseUrl: string | undefined
  readonly baseUrlEnv: readonly string[]
  readonly apiKeyEnv: readonly string[]
  /** `none`: no credential needed; a configured key is still sent as a bearer token. */
  readonly auth: 'bearer' | 'api-key' | 'x-api-key' | 'x-goog-api-key' | 'none'
  readonly operations: readonly Operation[]
  /** Departures from the wire; undefined where there are none. */
  readonly quirks?: VendorQuirks
}

/** What is known of a model from the price map and `model_info`; undefined means not known. */
export interface Capabilities {
  readonly maxInputTokens?: number
  readonly maxOutputTokens?: number
  readonly functionCalling?: boolean
  readonly parallelFunctionCalling?: boolean
  readonly toolChoice?: boolean
  readonly responseSchema?: boolean
  readonly nativeStructuredOutput?: boolean
  readonly systemMessages?: boolean
  readonly vision?: boolean
  readonly audioInput?: boolean
  readonly audioOutput?: boolean
  readonly pdfInput?: boolean
  readonly webSearch?: boolean
  readonly promptCaching?: boolean
  readonly reasoning?: boolean
  readonly adaptiveThinking?: boolean
  /** Effort words the model accepts beyond low/medium/high. */
  readonly efforts?: readonly string[]
  /** The complete list of effort words, where the price map states one; it may lack low, medium or high. */
  readonly effortLevels?: readonly string[]
  readonly defaultEffort?: string
  /** False: temperature, top_p and top_k are refused. */
  readonly samplingParams?: boolean
  readonly thinkingAlwaysOn?: boolean
  readonly assistantPrefill?: boolean
  readonly videoInput?: boolean
  /** Shortest prompt prefix the vendor caches, in tokens. */
  readonly promptCacheMinTokens?: number
  /** Length of an embedding. */
  readonly outputVectorSize?: number
  readonly nativeStreaming?: boolean
  readonly mode?: string
}

/** The part of a deployment that a wire needs to address it. Immutable; made when the snapshot is built. */
export interface Target {
  readonly vendor: Vendor
  /** The vendor's model name, prefix removed. */
  readonly model: string
  /** `https://host[:port]`. */
  readonly origin: string
  /** Path prefix without trailing slash: `/v1`, or ''. */
  readonly basePath: string
  readonly apiKey: Secret | undefined
  /** A bearer token that takes the place of an API key (Entra ID, `ANTHROPIC_AUTH_TOKEN`). */
  readonly bearerToken: Secret | undefined
  readonly apiVersion: string | undefined
  readonly organization: string | undefined
  readonly extraHeaders: Readonly<Record<string, string>>
  /** Request fields set in `litellm_params` (temperature, extra_body, …); the caller's own values win. */
  readonly defaults: Readonly<Record<string, unknown>>
  readonly capabilities: Capabilities
  /** Price-map key for families hidden behind a deployment name (Azure). */
  readonly baseModel: string | undefined
  readonly dropParams: boolean
  readonly additionalDropParams: readonly string[]
  readonly allowedOpenaiParams: readonly string[]
  readonly modifyParams: boolean
}

export interface UpstreamRequest {
  readonly method: 'GET' | 'POST'
  /** Path with query, as sent on the request line. */
  readonly path: string
  /** Lower-case names. The content length is set by the sender. */
  readonly headers: Record<string, string>
  readonly body: string
}

/** A request as it came from the caller: parsed once, and the text it was parsed from. */
export interface NativeRequest {
  readonly json: Record<string, unknown>
  readonly text: string
  /** The text as it came, where all of it is ASCII. */
  readonly bytes?: Buffer | undefined
  /** Caller's headers that belong to the dialect and may travel on (`anthropic-beta`, `anthropic-version`). */
  readonly headers: Readonly<Record<string, string>>
}

/** One translated call: what to send, and how to read what comes back. State of the call lives in here. */
export interface ChatExchange {
  readonly request: UpstreamRequest
  /** True when the upstream cannot stream this call: send without `stream`, replay the answer as chunks. */
  readonly fakeStream: boolean
  /** Request fields that were left out because the model does not know them (`drop_params`). */
  readonly droppedParams: readonly string[]
  /** @throws UpstreamFailure when the body is not an answer (an error in a 200, no choices). */
  decode(body: unknown): ChatResponse
  stream(): ChatStreamDecoder
}

export interface EmbeddingExchange {
  readonly request: UpstreamRequest
  readonly droppedParams: readonly string[]
  decode(body: unknown): EmbeddingResponse
}

/** What a relay needs to know of an answer it does not translate. */
export interface BodySignals {
  usage: TokenUsage | undefined
  /** Set when a 2xx body is really an error. */
  failure: UpstreamFailure | undefined
  /** The answer was withheld by the vendor's safety filter. */
  contentFiltered: boolean
}

/** What one relayed event says. Reused between calls: copy what must be kept. */
export interface EventSignals extends BodySignals {
  /** Text, tool call, reasoning, refusal or finish: the point after which an error can no longer become a fallback. */
  content: boolean
  /** The stream's proper end was announced (`[DONE]`, a finish reason, `message_stop`). */
  terminal: boolean
  /** The event carries only usage the caller did not ask for. */
  usageOnly: boolean
}

export interface Wire {
  readonly id: WireId
  /** The dialect whose requests and answers this wire carries unchanged. */
  readonly dialect: Dialect
  readonly operations: ReadonlySet<Operation>

  /**
   * A request in the wire's own dialect: same body, with the least change (model, stream options, configured defaults,
   * quirks). Returns undefined when this call needs translation after all (a quirk rewrites the answer).
   */
  forward(operation: Operation, request: NativeRequest, target: Target): ForwardedRequest | undefined
  /** Hub chat request → upstream call. @throws GatewayError `unsupported_params` and other request errors. */
  chat(request: ChatRequest, target: Target): ChatExchange
  /** Undefined on wires without embeddings. */
  embeddings?(request: EmbeddingRequest, target: Target): EmbeddingExchange

  /** Reads a relayed, complete 2xx body. */
  readBody(operation: Operation, text: string): BodySignals
  /**
   * Reads one relayed stream event; `into` is overwritten. `into.usage` comes in as the total so far; an event that says
   * nothing of usage may leave it or unset it.
   */
  readEvent(event: string, data: string, into: EventSignals): void
  /**
   * Cheap test on raw bytes: can this run of complete events hold anything but plain content? An event that breaks off
   * counts as such: it must become an error the caller can read, not text its parser fails on.
   */
  maySignal(chunk: Buffer): boolean

  /** An upstream answer with a status outside 2xx. Never throws; the message holds no credential. */
  failure(
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
    body: string,
  ): UpstreamFailure
}

export interface ForwardedRequest {
  readonly request: UpstreamRequest
  readonly droppedParams: readonly string[]
  /** We asked for usage events that the caller did not ask for: strip them from the relayed stream. */
  readonly stripUsage: boolean
}
