import type { IncomingHttpHeaders } from 'node:http'
import type { Prompt } from '../../../learning/prompt.ts'
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
    if (session !== undefined) return hashText(session, hashText(keyHash, 1))
    let hash = hashText(this.prompt.system, hashText(keyHash, 2))
    const messages = json['messages']
    if (!Array.isArray(messages)) return hash
    for (const message of messages) {
      const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown }
      if (role !== 'user') continue
      hash = hashText(typeof content === 'string' ? content : JSON.stringify(content ?? null), hash)
      break
    }
    return hash
  }
}

/** Characters that count; the length counts as well. */
const hashed = 2048

/** 53 bits by two 32-bit FNV lanes: few enough collisions for any number of sessions a process will see. */
export function hashText(text: string, seed: number): number {
  let a = (0x811c9dc5 ^ seed) >>> 0
  let b = (0x9e3779b1 ^ (seed / 4_294_967_296) ^ text.length) >>> 0
  const length = Math.min(text.length, hashed)
  // Two characters at a time: half the work, for every call of a learned route.
  for (let i = 0; i < length; i += 2) {
    const pair = text.charCodeAt(i) | ((i + 1 < length ? text.charCodeAt(i + 1) : 0) << 16)
    a = Math.imul(a ^ pair, 0x01000193)
    a ^= a >>> 15
    b = Math.imul(b ^ pair, 0x85ebca6b) ^ (b >>> 13)
  }
  return ((a >>> 0) & 0x1fffff) * 4_294_967_296 + (b >>> 0)
}
