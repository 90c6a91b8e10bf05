import type { ChatMessage, Delta, GeneratedImage, ThinkingBlock, ToolCall } from '../openai/types.ts'

/** Joins the deltas of one choice to the message they make up. */
export class MessageCollector {
  #content = ''
  #reasoning = ''
  #hasContent = false
  #annotations: unknown[] = []
  readonly #toolCalls: ToolCall[] = []
  readonly #thinking: ThinkingBlock[] = []
  readonly #images: GeneratedImage[] = []
  #audioId = ''
  readonly #audio: Buffer[] = []
  readonly #fields: Record<string, unknown> = {}
  /** Where each Gemini part begins in the text: citations count from there. Thoughts begin where the text is by then. */
  readonly partStarts: number[] = []

  /** @param delta undefined for a part that said nothing but still has a place in the list of parts. */
  add(delta: Delta | undefined): void {
    this.partStarts.push(this.#content.length)
    if (delta === undefined) return
    if (typeof delta.content === 'string') {
      this.#content += delta.content
      this.#hasContent = true
    }
    if (typeof delta.reasoning_content === 'string') this.#reasoning += delta.reasoning_content
    if (delta.thinking_blocks !== undefined) this.#thinking.push(...delta.thinking_blocks)
    if (delta.images !== undefined) this.#images.push(...delta.images)
    for (const call of delta.tool_calls ?? []) this.#toolCalls.push(wholeCall(call))
    if (delta.audio?.data !== undefined) {
      this.#audioId = delta.audio.id ?? ''
      this.#audio.push(Buffer.from(delta.audio.data, 'base64'))
    }
    this.#addFields(delta.provider_specific_fields)
  }

  #addFields(fields: Delta['provider_specific_fields']): void {
    if (!fields) return
    for (const [key, value] of Object.entries(fields)) {
      const known = this.#fields[key]
      if (!Array.isArray(value)) this.#fields[key] = value
      else if (key === 'image_signatures') this.#fields[key] = this.#alignImages(known, value)
      else this.#fields[key] = Array.isArray(known) ? [...known, ...value] : value
    }
  }

  /** One place per image, so that each signature finds its picture again. */
  #alignImages(known: unknown, added: readonly unknown[]): unknown[] {
    const list: unknown[] = Array.isArray(known) ? [...known] : []
    while (list.length < this.#images.length - 1) list.push(null)
    return [...list, ...added]
  }

  get text(): string {
    return this.#content
  }

  /** True when there is anything a caller could use. */
  get usable(): boolean {
    return this.#hasContent || this.hasToolCalls || this.#images.length > 0 || this.#audio.length > 0
  }

  get hasToolCalls(): boolean {
    return this.#toolCalls.length > 0
  }

  setField(name: string, value: unknown): void {
    this.#fields[name] = value
  }

  annotate(annotations: unknown[]): void {
    this.#annotations = annotations
  }

  finish(): ChatMessage {
    // Clients expect text unless the turn is tool calls alone.
    const content = this.#hasContent ? this.#content : this.hasToolCalls ? null : ''
    const message: ChatMessage = { role: 'assistant', content }
    if (this.hasToolCalls) message.tool_calls = this.#toolCalls
    if (this.#reasoning !== '') message.reasoning_content = this.#reasoning
    if (this.#thinking.length > 0) message.thinking_blocks = this.#thinking
    if (this.#images.length > 0) message.images = this.#images
    if (this.#audio.length > 0) {
      const data = Buffer.concat(this.#audio).toString('base64')
      message.audio = { id: this.#audioId, data, transcript: '', expires_at: 0 }
    }
    if (this.#annotations.length > 0) message.annotations = this.#annotations
    if (Object.keys(this.#fields).length > 0) message.provider_specific_fields = this.#fields
    return message
  }
}

function wholeCall(delta: NonNullable<Delta['tool_calls']>[number]): ToolCall {
  const call: ToolCall = {
    id: delta.id ?? '',
    type: 'function',
    function: { name: delta.function?.name ?? '', arguments: delta.function?.arguments ?? '{}' },
  }
  if (delta.provider_specific_fields) call.provider_specific_fields = delta.provider_specific_fields
  return call
}
