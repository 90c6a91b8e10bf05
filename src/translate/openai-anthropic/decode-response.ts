/** Anthropic message → hub answer. */
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatMessage, ChatResponse, Choice, ThinkingBlock, ToolCall } from '../openai/types.ts'
import { urlAnnotation } from './citations.ts'
import type { ReplyContext } from './encode-request.ts'
import { unwrapJson } from './response-format.ts'
import { finishReasonOf, isPlainStopReason } from './stop-reason.ts'
import { type Block, isObject, type MessageUsage, stringOr, type ToolUseBlock } from './types.ts'
import { type FailureFactory, reportedError } from './upstream-error.ts'
import { usageToHub } from './usage.ts'

export interface DecodeOptions {
  readonly reply: ReplyContext
  /** Seconds since 1970. */
  readonly created: number
  readonly failure: FailureFactory
}

/** @throws UpstreamFailure when the body reports an error or is no message. */
export function decodeResponse(body: unknown, options: DecodeOptions): ChatResponse {
  const error = reportedError(body)
  if (error !== undefined) throw options.failure(error.type, error.message)
  if (!isObject(body) || !Array.isArray(body['content'])) {
    throw new UpstreamFailure('bad_gateway', 'anthropic: the answer is no message (it has no content list).')
  }
  const blocks = (body['content'] as unknown[]).filter(isBlock)
  const read = readBlocks(blocks, options.reply)
  const response: ChatResponse = {
    id: typeof body['id'] === 'string' ? body['id'] : '',
    object: 'chat.completion',
    created: options.created,
    model: typeof body['model'] === 'string' ? body['model'] : '',
    choices: [choiceOf(body, read, options.reply)],
  }
  if (isObject(body['usage'])) {
    const usage = body['usage'] as MessageUsage
    response.usage = usageToHub(usage)
    const tier = serviceTierOf(usage)
    if (tier !== undefined) response.service_tier = tier
  }
  const extras = messageExtras(body)
  if (extras !== undefined) response.provider_specific_fields = extras
  return response
}

const isBlock = (value: unknown): value is Block => isObject(value) && typeof value['type'] === 'string'

/** OpenAI calls the ordinary tier `default`. */
export function serviceTierOf(usage: MessageUsage): string | undefined {
  const tier = usage.service_tier
  if (typeof tier !== 'string') return undefined
  return tier === 'standard' ? 'default' : tier
}

/** What Anthropic says about the message as a whole beyond the hub's words. */
export function messageExtras(message: Record<string, unknown>): Record<string, unknown> | undefined {
  let extras: Record<string, unknown> | undefined
  for (const key of ['container', 'context_management', 'diagnostics']) {
    if (message[key] == null) continue
    extras ??= {}
    extras[key] = message[key]
  }
  return extras
}

interface Read {
  text: string
  reasoning: string
  thinking: ThinkingBlock[]
  calls: ToolCall[]
  /** Content that the JSON tool carried; it is the answer, and the text before it is talk. */
  json: string | undefined
  citations: unknown[]
  annotations: object[]
  /** The blocks as they came (names restored), when the hub's fields cannot hold them or their order. */
  original: Block[] | undefined
}

/** Order in which the hub's fields are put back into blocks; another order needs the original list. */
const rank: Readonly<Record<string, number>> = { thinking: 0, redacted_thinking: 0, text: 1, tool_use: 2 }

function readBlocks(blocks: readonly Block[], reply: ReplyContext): Read {
  const read: Read = {
    text: '',
    reasoning: '',
    thinking: [],
    calls: [],
    json: undefined,
    citations: [],
    annotations: [],
    original: undefined,
  }
  const restored: Block[] = []
  let last = 0
  let canonical = true
  for (const block of blocks) {
    const place = rank[block.type]
    // Calls into a hosted toolset carry its name, which the hub's tool call cannot.
    if (place === undefined || place < last || 'toolset_name' in block) canonical = false
    else last = place
    restored.push(readBlock(block, reply, read))
  }
  if (read.citations.length > 0) canonical = false
  if (!canonical && read.json === undefined && !reply.legacyFunctions) read.original = restored
  return read
}

function readBlock(block: Block, reply: ReplyContext, read: Read): Block {
  switch (block.type) {
    case 'text': {
      const { text, citations } = block as { text?: unknown; citations?: unknown }
      if (typeof text !== 'string') return block
      const start = read.text.length
      read.text += text
      if (!Array.isArray(citations)) return block
      for (const citation of citations as unknown[]) {
        read.citations.push(citation)
        const annotation = urlAnnotation(citation, start, read.text.length)
        if (annotation !== undefined) read.annotations.push(annotation)
      }
      return block
    }
    case 'thinking':
      read.thinking.push(block as ThinkingBlock)
      read.reasoning += stringOr((block as { thinking?: unknown }).thinking)
      return block
    case 'redacted_thinking':
      read.thinking.push(block as ThinkingBlock)
      return block
    case 'tool_use':
      return readToolUse(block as ToolUseBlock, reply, read)
    default:
      return block
  }
}

function readToolUse(block: ToolUseBlock, reply: ReplyContext, read: Read): Block {
  if (block.name === reply.json?.tool.name) {
    read.json ??= unwrapJson(block.input, reply.json)
    return block
  }
  const name = reply.names.original(block.name)
  const call: ToolCall = {
    id: stringOr(block.id) || `toolu_${read.calls.length}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(block.input ?? {}) },
  }
  if (block.caller !== undefined && block.caller?.type !== 'direct') {
    call.provider_specific_fields = { caller: block.caller }
  }
  read.calls.push(call)
  return name === block.name ? block : { ...block, name }
}

function choiceOf(body: Record<string, unknown>, read: Read, reply: ReplyContext): Choice {
  const message: ChatMessage = { role: 'assistant', content: read.json ?? (read.text === '' ? null : read.text) }
  if (read.reasoning !== '') message.reasoning_content = read.reasoning
  if (read.thinking.length > 0) message.thinking_blocks = read.thinking
  const first = read.calls[0]
  if (first !== undefined) {
    if (reply.legacyFunctions) message.function_call = first.function
    else message.tool_calls = read.calls
  }
  if (read.annotations.length > 0) message.annotations = read.annotations
  const fields: Record<string, unknown> = {}
  if (read.citations.length > 0) fields['citations'] = read.citations
  if (read.original !== undefined) fields['anthropic_content'] = read.original
  if (read.json !== undefined && read.text !== '') fields['preamble'] = read.text
  if (Object.keys(fields).length > 0) message.provider_specific_fields = fields
  return { index: 0, message, ...finishOf(body, read.json !== undefined, read.calls.length > 0, reply) }
}

/** `finish_reason`, and the vendor's own words where they say more. `stopped` holds stop_reason and its details. */
export function finishOf(
  stopped: Record<string, unknown>,
  json: boolean,
  calls: boolean,
  reply: ReplyContext,
): Pick<Choice, 'finish_reason' | 'provider_specific_fields'> {
  const native = stopped['stop_reason']
  if (typeof native !== 'string') return { finish_reason: 'stop' }
  const mapped = finishReasonOf(native)
  const finish_reason =
    mapped !== 'tool_calls' ? mapped : json && !calls ? 'stop' : reply.legacyFunctions ? 'function_call' : mapped
  if (isPlainStopReason(native)) return { finish_reason }
  const fields: Record<string, unknown> = { native_finish_reason: native }
  if (typeof stopped['stop_sequence'] === 'string') fields['stop_sequence'] = stopped['stop_sequence']
  if (stopped['stop_details'] != null) fields['stop_details'] = stopped['stop_details']
  return { finish_reason, provider_specific_fields: fields }
}
