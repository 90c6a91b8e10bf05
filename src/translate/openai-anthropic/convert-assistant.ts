/** One assistant message of the hub → blocks in the order Anthropic wants: thinking, server tools, text, tool use. */
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatMessage } from '../openai/types.ts'
import { convertParts, isBlank } from './convert-content.ts'
import { keptBlocks } from './original-block.ts'
import type { ToolIds } from './tool-ids.ts'
import type { ToolNames } from './tool-names.ts'
import {
  type Block,
  isObject,
  type RedactedThinkingBlock,
  stringOr,
  type ThinkingBlock,
  type ToolUseBlock,
} from './types.ts'

export interface AssistantContext {
  readonly names: ToolNames
  readonly ids: ToolIds
  readonly betas: Set<string>
  /** Ids given to legacy `function_call`s that have no result yet, oldest first. */
  readonly legacyCalls: { name: string; id: string }[]
}

export function convertAssistant(message: ChatMessage, param: string, context: AssistantContext): Block[] {
  const blocks: Block[] = []
  const seen = new Set<string>()
  const original = originalBlocks(message)
  if (original !== undefined) {
    for (const block of original) addOriginal(block, blocks, seen, context)
    return blocks
  }
  addThinking(message.thinking_blocks, blocks)
  for (const block of serverBlocks(message)) blocks.push(block)
  const parts: Block[] = []
  convertParts(message.content, `${param}.content`, parts, context.betas)
  for (const part of parts) addOriginal(part, blocks, seen, context)
  if (parts.length === 0 && typeof message.refusal === 'string' && !isBlank(message.refusal)) {
    blocks.push({ type: 'text', text: message.refusal })
  }
  addToolCalls(message, param, blocks, seen, context)
  return blocks
}

/** A block that was Anthropic's before: thinking must stay byte-identical, tool names and ids follow this request's maps. */
function addOriginal(block: Block, into: Block[], seen: Set<string>, context: AssistantContext): void {
  if (block.type === 'thinking' || block.type === 'redacted_thinking') {
    addThinking([block], into)
  } else if (block.type === 'tool_use') {
    const use = block as ToolUseBlock
    // Malformed: the vendor says so better.
    if (typeof use.id !== 'string' || typeof use.name !== 'string') {
      into.push(block)
      return
    }
    const id = context.ids.wire(use.id)
    if (seen.has(id)) return
    seen.add(id)
    const name = context.names.wire(use.name)
    into.push(id === use.id && name === use.name ? use : { ...use, id, name })
  } else if (block.type !== 'text' || !isBlank(stringOr((block as { text?: unknown }).text))) {
    into.push(block)
  }
}

/** Signatures of other vendors' thinking are marked with their name when they pass through here: `gemini#…`. */
const foreign = /^[a-z][a-z0-9-]*#/

/**
 * Thinking goes back exactly as it came. Anthropic verifies the signature, so a block without one, or one that another
 * vendor signed, can only be refused: it is left out.
 */
function addThinking(list: unknown, into: Block[]): void {
  if (!Array.isArray(list)) return
  for (const block of list as unknown[]) {
    if (!isObject(block)) continue
    if (block['type'] === 'thinking') {
      const { thinking, signature } = block
      if (typeof thinking !== 'string' || typeof signature !== 'string' || signature === '') continue
      if (foreign.test(signature)) continue
      into.push({ type: 'thinking', thinking, signature } satisfies ThinkingBlock)
    } else if (block['type'] === 'redacted_thinking' && typeof block['data'] === 'string') {
      into.push({ type: 'redacted_thinking', data: block['data'] } satisfies RedactedThinkingBlock)
    }
  }
}

function anthropicContent(message: ChatMessage): Block[] | undefined {
  const list = message.provider_specific_fields?.['anthropic_content']
  if (!Array.isArray(list)) return undefined
  return list.every(block => isObject(block) && typeof block['type'] === 'string') ? (list as Block[]) : undefined
}

/** The turn as Anthropic wrote it, provided that the visible message still says the same. */
function originalBlocks(message: ChatMessage): Block[] | undefined {
  const blocks = keptBlocks(message) ?? anthropicContent(message)
  if (blocks === undefined) return undefined
  let text = ''
  const uses: ToolUseBlock[] = []
  for (const block of blocks) {
    if (block.type === 'text') text += stringOr((block as { text?: unknown }).text)
    else if (block.type === 'tool_use') uses.push(block as ToolUseBlock)
  }
  const calls = message.tool_calls ?? []
  if (text !== visibleText(message.content) || uses.length !== calls.length) return undefined
  const same = uses.every((use, i) => {
    const call = calls[i]
    return (
      call?.id === use.id &&
      call?.function?.name === use.name &&
      call?.function?.arguments === JSON.stringify(use.input ?? {})
    )
  })
  return same ? blocks : undefined
}

function visibleText(content: ChatMessage['content']): string {
  if (typeof content === 'string') return content
  let text = ''
  for (const part of content ?? []) if (part.type === 'text') text += part.text
  return text
}

/** What is left of a turn whose text was changed or that was collected from a stream: server tools and their results. */
function serverBlocks(message: ChatMessage): Block[] {
  const own: ReadonlySet<string> = new Set(['text', 'tool_use', 'thinking', 'redacted_thinking'])
  return (anthropicContent(message) ?? []).filter(block => !own.has(block.type))
}

function addToolCalls(
  message: ChatMessage,
  param: string,
  into: Block[],
  seen: Set<string>,
  context: AssistantContext,
): void {
  const calls = message.tool_calls ?? []
  if (!Array.isArray(calls)) throw bad(`${param}.tool_calls`, 'must be a list.')
  for (let i = 0; i < calls.length; i++) {
    const call: unknown = calls[i]
    const path = `${param}.tool_calls[${i}]`
    if (!isObject(call) || !isObject(call['function'])) throw bad(path, 'must be a function call.')
    const { name, arguments: args } = call['function']
    if (typeof name !== 'string' || name === '') throw bad(`${path}.function.name`, 'must be the name of a tool.')
    const id = context.ids.wire(typeof call['id'] === 'string' ? call['id'] : `call_${i}`)
    if (seen.has(id)) continue
    seen.add(id)
    const use: ToolUseBlock = {
      type: 'tool_use',
      id,
      name: context.names.wire(name),
      input: parseArguments(args, path),
    }
    const extra = call['provider_specific_fields']
    if (isObject(extra) && isObject(extra['caller'])) use.caller = extra['caller'] as { type: string }
    if (isObject(call['cache_control'])) use.cache_control = call['cache_control'] as { type: 'ephemeral' }
    into.push(use)
  }
  const legacy: unknown = message.function_call
  if (!isObject(legacy)) return
  const { name, arguments: args } = legacy
  if (typeof name !== 'string') throw bad(`${param}.function_call.name`, 'must be the name of a function.')
  const id = context.ids.wire(`call_function_${context.legacyCalls.length}_${name}`)
  context.legacyCalls.push({ name, id })
  into.push({
    type: 'tool_use',
    id,
    name: context.names.wire(name),
    input: parseArguments(args, `${param}.function_call`),
  })
}

/** OpenAI's arguments are JSON text, Anthropic's an object; no arguments are `{}`. */
function parseArguments(args: unknown, path: string): unknown {
  if (args === undefined || args === null) return {}
  if (isObject(args)) return args
  const param = path.endsWith('function_call') ? `${path}.arguments` : `${path}.function.arguments`
  if (typeof args !== 'string') throw bad(param, 'must be JSON text.')
  if (isBlank(args)) return {}
  let value: unknown
  try {
    value = JSON.parse(args)
  } catch {
    throw bad(param, 'is not valid JSON. Send the arguments exactly as the model wrote them.')
  }
  if (value === null) return {}
  if (!isObject(value)) throw bad(param, 'must be a JSON object.')
  return value
}

const bad = (param: string, what: string): GatewayError =>
  new GatewayError('invalid_request', `${param} ${what}`, { param })
