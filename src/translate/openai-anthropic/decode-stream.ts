/** Anthropic's event stream → hub chunks. */
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatChunk, ChunkChoice, Delta, ThinkingBlock } from '../openai/types.ts'
import type { SseEvent } from '../sse.ts'
import type { ChatStreamDecoder } from '../stream.ts'
import { urlAnnotation } from './citations.ts'
import { type DecodeOptions, finishOf, messageExtras, serviceTierOf } from './decode-response.ts'
import { JsonToolStream } from './json-stream.ts'
import { unwrapJson } from './response-format.ts'
import { type Block, isObject, type MessageUsage, stringOr } from './types.ts'
import { reportedError } from './upstream-error.ts'
import { mergeUsage, usageToHub } from './usage.ts'

type Json = Record<string, unknown>

/** The content block that is open. Anthropic sends one block at a time. */
type Open =
  | { kind: 'text'; start: number; citations: unknown[] }
  | { kind: 'thinking' }
  | { kind: 'tool'; index: number; input: unknown; sawArguments: boolean }
  | { kind: 'json'; stream: JsonToolStream }
  /** The JSON tool called a second time, which cannot be part of the one answer. */
  | { kind: 'ignored' }
  /** A server tool, its result, or a block of unknown type; handed on whole when it is complete. */
  | { kind: 'other'; block: Json; input: string }

/** Server blocks are collected; one that grows beyond this many characters is handed on without its streamed input. */
const maxServerInput = 4 * 1024 * 1024

export class AnthropicStreamDecoder implements ChatStreamDecoder {
  readonly #options: DecodeOptions
  #id = ''
  #model = ''
  #started = false
  #usage: MessageUsage | undefined
  #open: Open | undefined
  /** Tool calls the caller sees; OpenAI counts these, not content blocks. */
  #tools = 0
  #textLength = 0
  #json = false
  /** Text in JSON tool mode: it is the answer only if the tool is never called. */
  #talk = ''
  #finished = false
  #terminal = false

  constructor(options: DecodeOptions) {
    this.#options = options
  }

  push(event: SseEvent, out: ChatChunk[]): void {
    if (this.#terminal || event.data === '' || event.event === 'ping') return
    const data = parse(event.data)
    switch (data['type']) {
      case 'message_start':
        this.#messageStart(data, out)
        return
      case 'content_block_start':
        if (isObject(data['content_block'])) this.#blockStart(data['content_block'], out)
        return
      case 'content_block_delta':
        if (isObject(data['delta'])) this.#blockDelta(data['delta'], out)
        return
      case 'content_block_stop':
        this.#blockStop(out)
        return
      case 'message_delta':
        this.#messageDelta(data, out)
        return
      case 'message_stop':
        this.#messageStop(out)
        return
      case 'error': {
        const error = reportedError(data) ?? { type: 'api_error', message: 'The vendor reported an error.' }
        throw this.#options.failure(error.type, error.message)
      }
      default:
      // `ping` and events of later API versions.
    }
  }

  end(_out: ChatChunk[]): void {
    if (this.#terminal) return
    throw new UpstreamFailure('connection', 'anthropic: the stream ended before the message was complete.', {
      code: 'stream_interrupted',
    })
  }

  #messageStart(data: Json, out: ChatChunk[]): void {
    const message = isObject(data['message']) ? data['message'] : {}
    const id = typeof message['id'] === 'string' ? message['id'] : ''
    if (this.#started) {
      if (id === this.#id) return
      throw new UpstreamFailure('bad_gateway', 'anthropic: a second message began inside the stream of the first.')
    }
    this.#started = true
    this.#id = id
    if (typeof message['model'] === 'string') this.#model = message['model']
    if (isObject(message['usage'])) this.#usage = { ...message['usage'] }
    const chunk = this.#chunk({ role: 'assistant', content: '' })
    const tier = this.#usage === undefined ? undefined : serviceTierOf(this.#usage)
    if (tier !== undefined) chunk.service_tier = tier
    out.push(chunk)
  }

  #blockStart(block: Json, out: ChatChunk[]): void {
    // A block that was never closed ends where the next begins.
    if (this.#open !== undefined) this.#blockStop(out)
    switch (block['type']) {
      case 'text':
        this.#open = { kind: 'text', start: this.#textLength, citations: [] }
        if (typeof block['text'] === 'string') this.#text(block['text'], out)
        if (Array.isArray(block['citations'])) for (const entry of block['citations']) this.#citation(entry, out)
        return
      case 'thinking':
        this.#open = { kind: 'thinking' }
        this.#thinking(block['thinking'], block['signature'], out)
        return
      case 'redacted_thinking':
        this.#open = { kind: 'thinking' }
        out.push(this.#chunk({ thinking_blocks: [{ type: 'redacted_thinking', data: stringOr(block['data']) }] }))
        return
      case 'tool_use':
        this.#toolStart(block, out)
        return
      default:
        this.#open = { kind: 'other', block, input: '' }
    }
  }

  #toolStart(block: Json, out: ChatChunk[]): void {
    const { names, json, legacyFunctions } = this.#options.reply
    const wireName = typeof block['name'] === 'string' ? block['name'] : ''
    if (json !== undefined && wireName === json.tool.name) {
      this.#open = this.#json ? { kind: 'ignored' } : { kind: 'json', stream: new JsonToolStream(json) }
      this.#json = true
      return
    }
    const index = this.#tools++
    const name = names.original(wireName)
    this.#open = { kind: 'tool', index, input: block['input'], sawArguments: false }
    if (legacyFunctions) {
      if (index === 0) out.push(this.#chunk({ function_call: { name, arguments: '' } }))
      return
    }
    const call: NonNullable<Delta['tool_calls']>[number] = {
      index,
      id: typeof block['id'] === 'string' ? block['id'] : '',
      type: 'function',
      function: { name, arguments: '' },
    }
    const caller = block['caller']
    if (isObject(caller) && caller['type'] !== 'direct') call.provider_specific_fields = { caller }
    out.push(this.#chunk({ tool_calls: [call] }))
  }

  #blockDelta(delta: Json, out: ChatChunk[]): void {
    switch (delta['type']) {
      case 'text_delta':
        if (typeof delta['text'] === 'string') this.#text(delta['text'], out)
        return
      case 'input_json_delta':
        if (typeof delta['partial_json'] === 'string') this.#arguments(delta['partial_json'], out)
        return
      case 'thinking_delta':
      case 'signature_delta':
        this.#thinking(delta['thinking'], delta['signature'], out)
        return
      case 'citations_delta':
        this.#citation(delta['citation'], out)
        return
      case 'compaction_delta':
        if (this.#open?.kind === 'other') mergeCompaction(this.#open.block, delta)
        return
      default:
    }
  }

  #text(text: string, out: ChatChunk[]): void {
    if (text === '') return
    if (this.#options.reply.json !== undefined) {
      this.#talk += text
      return
    }
    this.#textLength += text.length
    out.push(this.#chunk({ content: text }))
  }

  #thinking(thinking: unknown, signature: unknown, out: ChatChunk[]): void {
    const text = typeof thinking === 'string' ? thinking : ''
    const signed = typeof signature === 'string' ? signature : ''
    if (text === '' && signed === '') return
    const block: ThinkingBlock = { type: 'thinking', thinking: text }
    if (signed !== '') block.signature = signed
    out.push(
      this.#chunk(text === '' ? { thinking_blocks: [block] } : { reasoning_content: text, thinking_blocks: [block] }),
    )
  }

  #arguments(piece: string, out: ChatChunk[]): void {
    const open = this.#open
    if (piece === '' || open === undefined) return
    if (open.kind === 'json') {
      const content = open.stream.push(piece)
      if (content !== '') out.push(this.#chunk({ content }))
    } else if (open.kind === 'tool') {
      open.sawArguments = true
      this.#emitArguments(open.index, piece, out)
    } else if (open.kind === 'other' && open.input.length + piece.length <= maxServerInput) {
      open.input += piece
    }
  }

  #emitArguments(index: number, piece: string, out: ChatChunk[]): void {
    if (!this.#options.reply.legacyFunctions) {
      out.push(this.#chunk({ tool_calls: [{ index, function: { arguments: piece } }] }))
    } else if (index === 0) {
      out.push(this.#chunk({ function_call: { arguments: piece } }))
    }
  }

  #citation(citation: unknown, out: ChatChunk[]): void {
    if (this.#open?.kind !== 'text' || !isObject(citation)) return
    this.#open.citations.push(citation)
    out.push(this.#chunk({ provider_specific_fields: { citation } }))
  }

  #blockStop(out: ChatChunk[]): void {
    const open = this.#open
    this.#open = undefined
    if (open === undefined) return
    if (open.kind === 'json') {
      const content = open.stream.end(unwrapJson)
      if (content !== '') out.push(this.#chunk({ content }))
    } else if (open.kind === 'tool') {
      // Calls made from code carry their input in the start block; a call without arguments is `{}`.
      if (!open.sawArguments) this.#emitArguments(open.index, JSON.stringify(open.input ?? {}), out)
    } else if (open.kind === 'text') {
      const annotations = open.citations
        .map(citation => urlAnnotation(citation, open.start, this.#textLength))
        .filter(annotation => annotation !== undefined)
      if (annotations.length > 0) out.push(this.#chunk({ annotations }))
    } else if (open.kind === 'other') {
      out.push(this.#chunk({ provider_specific_fields: { anthropic_content: [completed(open.block, open.input)] } }))
    }
  }

  #messageDelta(data: Json, out: ChatChunk[]): void {
    if (isObject(data['usage'])) {
      this.#usage ??= {}
      mergeUsage(this.#usage, data['usage'])
    }
    const delta = isObject(data['delta']) ? data['delta'] : {}
    if (this.#finished || typeof delta['stop_reason'] !== 'string') return
    if (this.#open !== undefined) this.#blockStop(out)
    this.#finished = true
    this.#flushTalk(out)
    const { reply } = this.#options
    const chunk = this.#chunk({})
    const choice = chunk.choices[0] as ChunkChoice
    Object.assign(choice, finishOf(delta, this.#json, this.#tools > 0, reply))
    const extras = messageExtras({ ...data, ...delta })
    if (extras !== undefined) chunk.provider_specific_fields = extras
    out.push(chunk)
  }

  #flushTalk(out: ChatChunk[]): void {
    if (this.#talk === '') return
    out.push(this.#chunk(this.#json ? { provider_specific_fields: { preamble: this.#talk } } : { content: this.#talk }))
    this.#talk = ''
  }

  #messageStop(out: ChatChunk[]): void {
    this.#terminal = true
    if (this.#usage === undefined) return
    const chunk = this.#chunk({})
    chunk.choices = []
    chunk.usage = usageToHub(this.#usage)
    out.push(chunk)
  }

  #chunk(delta: Delta): ChatChunk {
    return {
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#options.created,
      model: this.#model,
      choices: [{ index: 0, delta, finish_reason: null }],
    }
  }
}

function parse(text: string): Json {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    throw new UpstreamFailure('bad_gateway', 'anthropic: the stream holds an event that is not JSON.')
  }
  return isObject(data) ? data : {}
}

function completed(block: Json, input: string): Block {
  // Results stream JSON of their own, which is no input.
  if (input === '' || !('input' in block)) return block as Block
  try {
    return { ...block, input: JSON.parse(input) } as unknown as Block
  } catch {
    return block as Block
  }
}

function mergeCompaction(block: Json, delta: Json): void {
  for (const key of ['content', 'encrypted_content']) {
    const piece = delta[key]
    if (typeof piece === 'string') block[key] = typeof block[key] === 'string' ? block[key] + piece : piece
  }
}
