/** Hub chunks → Anthropic's event stream. */
import type { ChatChunk, ChunkChoice, Delta, Usage } from '../openai/types.ts'
import type { ChatStreamEncoder } from '../stream.ts'
import { messageId } from './response-from-hub.ts'
import { stopReasonOf } from './stop-reason.ts'
import {
  blockStart,
  blockStop,
  citationDelta,
  messageDelta,
  messageStart,
  messageStop,
  signatureDelta,
  textDelta,
  thinkingDelta,
  wholeBlock,
} from './stream-frames.ts'
import { StreamTools } from './stream-tools.ts'
import { type Block, isObject, stringOr } from './types.ts'
import { usageFromHub } from './usage.ts'

/** Blocks the hub has fields for; a list that holds one of them is the complete message. */
const hubBlocks: ReadonlySet<string> = new Set(['text', 'tool_use', 'thinking', 'redacted_thinking'])

export class AnthropicStreamEncoder implements ChatStreamEncoder {
  readonly #request: Readonly<Record<string, unknown>>
  readonly #fallbackId: string
  readonly #tools = new StreamTools()
  #started = false
  #blocks = 0
  /** The text or thinking block that is open; tool blocks are kept by `#tools`. */
  #open: { kind: 'text' | 'thinking'; index: number } | undefined
  #thinking = ''
  /** Text that came while a tool call was unfinished. */
  #lateText = ''
  #usage: Usage | undefined
  #finish: ChunkChoice['finish_reason'] = null
  #finishFields: Readonly<Record<string, unknown>> = {}
  #calledTool = false

  /** @param id the call's id, for upstreams that give their answer none. */
  constructor(request: Readonly<Record<string, unknown>>, id: string) {
    this.#request = request
    this.#fallbackId = id
  }

  push(chunk: ChatChunk): string {
    if (chunk.usage != null) this.#usage = chunk.usage
    let out = this.#start(chunk)
    for (const choice of chunk.choices) {
      // Anthropic answers once; further choices have no place in its stream.
      if (choice.index !== 0) continue
      out += this.#delta(choice.delta)
      if (choice.finish_reason === null || choice.finish_reason === undefined) continue
      this.#finish = choice.finish_reason
      if (choice.provider_specific_fields !== undefined) this.#finishFields = choice.provider_specific_fields
      out += this.#closeAll()
    }
    return out
  }

  end(): string {
    let out = this.#start(undefined) + this.#closeAll()
    const { native_finish_reason: native, stop_sequence: sequence, stop_details: details } = this.#finishFields
    const reason = stopReasonOf(this.#finish, native, sequence)
    const stop = {
      // Some vendors finish with `stop` although they call tools; agents wait for `tool_use`.
      stop_reason: reason === 'end_turn' && this.#calledTool ? ('tool_use' as const) : reason,
      stop_sequence: typeof sequence === 'string' ? sequence : null,
      ...(details === undefined ? {} : { stop_details: details }),
    }
    out += messageDelta(stop, usageFromHub(this.#usage))
    return out + messageStop
  }

  readonly #nextIndex = (): number => this.#blocks++

  #start(chunk: ChatChunk | undefined): string {
    if (this.#started) return ''
    this.#started = true
    const id = chunk?.id || this.#fallbackId
    const model = chunk?.model || stringOr(this.#request['model'])
    return messageStart(messageId(id), model, { ...usageFromHub(chunk?.usage), output_tokens: 0 })
  }

  #delta(delta: Delta): string {
    const fields = delta.provider_specific_fields
    const original = fields?.['anthropic_content']
    const blocks = Array.isArray(original) ? (original.filter(isObject) as unknown as Block[]) : undefined
    if (blocks?.some(block => hubBlocks.has(block.type))) return this.#wholeBlocks(blocks)
    let out = ''
    if (delta.thinking_blocks != null || delta.reasoning_content) out += this.#thinkingOf(delta)
    if (delta.content) out += this.#text(delta.content)
    if (delta.refusal) out += this.#text(delta.refusal)
    if (fields != null && isObject(fields['citation'])) out += this.#citation(fields['citation'])
    if (blocks !== undefined) out += this.#wholeBlocks(blocks)
    if (delta.tool_calls != null) {
      for (const call of delta.tool_calls) {
        this.#calledTool = true
        out += this.#closeOpen() + this.#tools.push(call, this.#nextIndex)
      }
    }
    if (delta.function_call != null) {
      this.#calledTool = true
      out += this.#closeOpen() + this.#tools.push({ index: 0, function: delta.function_call }, this.#nextIndex)
    }
    return out
  }

  #wholeBlocks(blocks: readonly Block[]): string {
    let out = this.#closeOpen() + this.#tools.close()
    for (const block of blocks) {
      if (block.type === 'tool_use') this.#calledTool = true
      out += wholeBlock(this.#nextIndex(), block)
    }
    return out
  }

  #text(text: string): string {
    if (this.#tools.busy) {
      this.#lateText += text
      return ''
    }
    return this.#open?.kind === 'text'
      ? textDelta(this.#open.index, text)
      : this.#opened('text') + textDelta(this.#blocks - 1, text)
  }

  #citation(citation: unknown): string {
    if (this.#tools.busy) return ''
    // The vendor sends the citation before the text it belongs to.
    return this.#open?.kind === 'text'
      ? citationDelta(this.#open.index, citation)
      : this.#opened('text') + citationDelta(this.#blocks - 1, citation)
  }

  /** Thinking comes as `reasoning_content`, as `thinking_blocks`, or as both with the same text. */
  #thinkingOf(delta: Delta): string {
    if (this.#tools.busy) return ''
    const blocks = delta.thinking_blocks ?? []
    const told = blocks.some(block => block.type === 'thinking' && block.thinking !== '')
    let out = !told && delta.reasoning_content ? this.#thought(delta.reasoning_content) : ''
    for (const block of blocks) {
      if (block.type === 'redacted_thinking') {
        out += this.#closeOpen() + this.#tools.close()
        out += wholeBlock(this.#nextIndex(), { type: 'redacted_thinking', data: block.data })
        continue
      }
      // Some sources repeat the whole text when they sign it.
      const repeated = this.#open?.kind === 'thinking' && block.signature && block.thinking === this.#thinking
      if (block.thinking && !repeated) out += this.#thought(block.thinking)
      if (!block.signature) continue
      if (this.#open?.kind !== 'thinking') out += this.#opened('thinking')
      out += signatureDelta(this.#blocks - 1, block.signature) + this.#closeOpen()
    }
    return out
  }

  #thought(text: string): string {
    const out = this.#open?.kind === 'thinking' ? '' : this.#opened('thinking')
    this.#thinking += text
    return out + thinkingDelta(this.#blocks - 1, text)
  }

  #opened(kind: 'text' | 'thinking'): string {
    const before = this.#closeOpen() + this.#tools.close()
    const index = this.#nextIndex()
    this.#open = { kind, index }
    this.#thinking = ''
    const block: Block =
      kind === 'text' ? { type: 'text', text: '', citations: null } : { type: 'thinking', thinking: '', signature: '' }
    return before + blockStart(index, block)
  }

  #closeOpen(): string {
    if (this.#open === undefined) return ''
    const { index } = this.#open
    this.#open = undefined
    return blockStop(index)
  }

  #closeAll(): string {
    let out = this.#closeOpen() + this.#tools.finish(this.#nextIndex)
    if (this.#lateText === '') return out
    const text = this.#lateText
    this.#lateText = ''
    out += wholeBlock(this.#nextIndex(), { type: 'text', text, citations: null })
    return out
  }
}
