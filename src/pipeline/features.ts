import type { NativeRequest } from '../providers/wire.ts'
import { countChatTokens, mayHoldMedia, promptTokenBounds, type TokenBounds } from '../translate/token-count.ts'
import type { Call } from './call.ts'
import { prefixHash } from './routing/prefix-hash.ts'
import type { CallFeatures } from './routing/types.ts'

/**
 * What routing may look at. Everything that needs more than the length of the body is computed when first asked for:
 * most calls never ask.
 */
class LazyFeatures implements CallFeatures {
  readonly stream: boolean
  readonly #request: NativeRequest
  readonly #affinity: boolean
  #bounds: TokenBounds | undefined
  #count: number | undefined
  #needs: CallFeatures['needs'] | undefined
  #prefix: number | undefined | null = null

  constructor(request: NativeRequest, stream: boolean, affinity: boolean) {
    this.#request = request
    this.stream = stream
    this.#affinity = affinity
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
    if (this.#needs === undefined) {
      const { json, text } = this.#request
      const format = json['response_format'] as { type?: unknown } | null | undefined
      this.#needs = {
        tools: Array.isArray(json['tools']) && json['tools'].length > 0,
        vision: text.includes('"image_url"') || text.includes('"type":"image"'),
        jsonSchema: format?.type === 'json_schema',
        audio: text.includes('"input_audio"'),
      }
    }
    return this.#needs
  }

  get prefixHash(): number | undefined {
    if (this.#prefix === null) this.#prefix = this.#affinity ? prefixHash(this.#request.json) : undefined
    return this.#prefix
  }
}

export function callFeatures(call: Call, request: NativeRequest): CallFeatures {
  return new LazyFeatures(request, call.stream, call.snapshot.limits.prefixAffinity)
}
