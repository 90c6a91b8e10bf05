import type { ChatChunk } from '../../translate/openai/types.ts'
import type { ChatStreamEncoder } from '../../translate/stream.ts'

/** Hub chunks as OpenAI's server-sent events. Usage is passed on only where the caller asked for it. */
export class OpenAIStreamEncoder implements ChatStreamEncoder {
  readonly #includeUsage: boolean

  constructor(includeUsage: boolean) {
    this.#includeUsage = includeUsage
  }

  push(chunk: ChatChunk): string {
    if (!this.#includeUsage && chunk.usage !== undefined) {
      if (chunk.choices.length === 0) return ''
      const { usage: _usage, ...rest } = chunk
      return `data: ${JSON.stringify(rest)}\n\n`
    }
    return `data: ${JSON.stringify(chunk)}\n\n`
  }

  end(): string {
    return 'data: [DONE]\n\n'
  }
}

/** Whether a request asks for usage in its stream. */
export function wantsStreamUsage(body: Readonly<Record<string, unknown>>): boolean {
  const options = body['stream_options'] as { include_usage?: unknown } | null | undefined
  return options?.include_usage === true
}
