import type { NativeRequest } from '../providers/wire.ts'
import { countChatTokens, mayHoldMedia, promptTokenBounds, type TokenBounds } from '../translate/token-count.ts'
import type { Call } from './call.ts'
import { mayUse } from './identity/authorize-model.ts'
import { noOverrides } from './routing/learned/overrides.ts'
import { routable } from './routing/learned/request-prompt.ts'
import { CallContext } from './routing/learned/routing-context.ts'
import { prefixHash } from './routing/prefix-hash.ts'
import type { CallFeatures, Demands, RoutingContext } from './routing/types.ts'

/**
 * What routing may look at. Everything that needs more than the length of the body is computed when first asked for:
 * most calls never ask.
 */
class LazyFeatures implements CallFeatures {
  readonly stream: boolean
  readonly demands: Demands | undefined
  readonly #call: Call
  readonly #request: NativeRequest
  readonly #affinity: boolean
  #routing: RoutingContext | undefined
  #bounds: TokenBounds | undefined
  #count: number | undefined
  #needs: CallFeatures['needs'] | undefined
  #prefix: number | undefined | null = null

  constructor(call: Call, request: NativeRequest) {
    this.#call = call
    this.#request = request
    this.stream = call.stream
    this.#affinity = call.snapshot.limits.prefixAffinity
    this.demands = call.routing === noOverrides ? undefined : demandsOf(call)
  }

  get mayUse(): ((group: string) => boolean) | undefined {
    const { snapshot, identity } = this.#call
    return identity.modelAccess.length === 0 ? undefined : group => mayUse(snapshot, identity, group)
  }

  get routing(): RoutingContext | undefined {
    const call = this.#call
    if (!routable(call.door.operation)) return undefined
    this.#routing ??= contextOf(call, this.#request)
    return this.#routing
  }

  get promptTokensMin(): number {
    return this.#limits().min
  }

  get promptTokensMax(): number {
    return this.#limits().max
  }

  #limits(): TokenBounds {
    const { text } = this.#request
    this.#bounds ??= promptTokenBounds(text.length, mayHoldMedia(text))
    return this.#bounds
  }

  readonly countPromptTokens = (): number => {
    const count = this.#count ?? countChatTokens(this.#request.json)
    this.#count = count
    return count
  }

  get maxOutputTokens(): number | undefined {
    const { json } = this.#request
    const value = json['max_completion_tokens'] ?? json['max_tokens']
    return typeof value === 'number' ? value : undefined
  }

  get needs(): CallFeatures['needs'] {
    this.#needs ??= new Needs(this.#request)
    return this.#needs
  }

  get prefixHash(): number | undefined {
    if (this.#prefix === null) this.#prefix = this.#affinity ? prefixHash(this.#request.json) : undefined
    return this.#prefix
  }
}

/** Looked for only where a model is known to lack it. */
class Needs {
  readonly #request: NativeRequest

  constructor(request: NativeRequest) {
    this.#request = request
  }

  get tools(): boolean {
    const tools = this.#request.json['tools']
    return Array.isArray(tools) && tools.length > 0
  }

  get vision(): boolean {
    const { text } = this.#request
    return text.includes('"image_url"') || text.includes('"type":"image"')
  }

  get jsonSchema(): boolean {
    const format = this.#request.json['response_format'] as { type?: unknown } | null | undefined
    return format?.type === 'json_schema'
  }

  get audio(): boolean {
    return this.#request.text.includes('"input_audio"')
  }
}

export function callFeatures(call: Call, request: NativeRequest): CallFeatures {
  return new LazyFeatures(call, request)
}

function demandsOf({ routing: { allowedModels, region } }: Call): Demands | undefined {
  if (allowedModels === undefined && region === undefined) return undefined
  return {
    models: allowedModels === undefined ? undefined : new Set(allowedModels.map(name => name.toLowerCase())),
    region: region?.toLowerCase(),
  }
}

function contextOf(call: Call, request: NativeRequest): RoutingContext {
  const { identity, attribution } = call
  return new CallContext({
    json: request.json,
    text: request.text,
    headers: call.response.req?.headers ?? {},
    overrides: call.routing,
    tags: attribution.tags,
    requested: call.model,
    recordId: call.recordId,
    keyHash: identity.keyHash,
    endUser: attribution.endUser,
    sessionId: attribution.sessionId,
  })
}
