import type { IncomingHttpHeaders } from 'node:http'
import type { Prompt } from '../../../learning/prompt.ts'
import { hashText, mixHashes } from '../../../platform/text-hash.ts'
import type { Ranking, RoutingContext } from '../types.ts'
import type { RoutingOverrides } from './overrides.ts'
import { requestPrompt } from './request-prompt.ts'

export interface ContextSource {
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
  readonly headers: IncomingHttpHeaders
  readonly overrides: RoutingOverrides
  readonly tags: readonly string[]
  readonly requested: string
  readonly recordId: string
  readonly keyHash: string
  readonly endUser: string | undefined
  readonly sessionId: string | undefined
}

export class CallContext implements RoutingContext {
  readonly requested: string
  readonly recordId: string
  readonly tags: readonly string[]
  readonly overrides: RoutingOverrides
  made: Ranking | undefined = undefined
  readonly #source: ContextSource
  #prompt: Prompt | undefined
  #conversation: number | undefined

  constructor(source: ContextSource) {
    this.#source = source
    this.requested = source.requested
    this.recordId = source.recordId
    this.tags = source.tags
    this.overrides = source.overrides
  }

  get prompt(): Prompt {
    this.#prompt ??= requestPrompt(this.#source.json)
    return this.#prompt
  }

  get inputCharacters(): number {
    const { text, system, shape } = this.prompt
    // Tools are JSON that the model reads as well; what is left of the body beyond its texts is mostly theirs.
    const words = text.length + system.length + shape.historyCharacters
    return shape.tools === 0 ? words : Math.max(words, this.#source.text.length - 200)
  }

  get userAgent(): string {
    return this.#source.headers['user-agent'] ?? ''
  }

  get named(): boolean {
    return this.session !== undefined
  }

  get session(): string | undefined {
    return this.overrides.session ?? this.#source.sessionId
  }

  get stickyKey(): string {
    const { endUser, keyHash } = this.#source
    return this.session ?? endUser ?? keyHash
  }

  get conversation(): number {
    this.#conversation ??= this.#hash()
    return this.#conversation
  }

  #hash(): number {
    const { json, keyHash } = this.#source
    const { session } = this
    // Sessions of two callers are two sessions, whatever they call them.
    if (session !== undefined) return mixHashes(keyOf(keyHash), hashText(session))
    const { system } = this.prompt
    let hash = mixHashes(keyOf(keyHash) + 1, system === '' ? 0 : hashText(system))
    const messages = json['messages']
    if (!Array.isArray(messages)) return hash
    for (const message of messages) {
      const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown }
      if (role !== 'user') continue
      hash = mixHashes(hash, hashText(typeof content === 'string' ? content : JSON.stringify(content ?? null)))
      break
    }
    return hash
  }
}

let lastKey = ''
let lastKeyHash = 0

/** Most calls in a row are of few keys, and a key is 64 characters. */
function keyOf(key: string): number {
  if (key !== lastKey) {
    lastKey = key
    lastKeyHash = hashText(key)
  }
  return lastKeyHash
}
