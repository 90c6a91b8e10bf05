/** Anthropic messages → hub messages. */
import type { CacheControl, ChatMessage, ContentPart, ThinkingBlock, ToolCall } from '../openai/types.ts'
import { partOfBlock } from './blocks-to-hub.ts'
import { keepBlocks } from './original-block.ts'
import { type Block, isObject } from './types.ts'
import { invalid, required } from './validate-request.ts'

export function systemToHub(system: unknown, into: ChatMessage[]): void {
  if (system === null || system === undefined) return
  const content = plainContent(system, 'system')
  if (content !== undefined) into.push({ role: 'system', content })
}

/** @param messages a list that `validateMessages` accepted. */
export function messagesToHub(messages: readonly unknown[], into: ChatMessage[]): void {
  for (let i = 0; i < messages.length; i++) {
    const { role, content } = messages[i] as { role: 'user' | 'assistant' | 'system'; content: string | Block[] }
    const param = `messages.${i}.content`
    if (typeof content === 'string') into.push({ role, content })
    else if (role === 'assistant') into.push(assistantToHub(content, param))
    else if (role === 'user') userToHub(content, param, into)
    else systemToHub(content, into)
  }
}

/** Blocks → parts; a single plain text becomes a string, which every vendor takes. Undefined when nothing is left. */
function plainContent(content: unknown, param: string): string | ContentPart[] | undefined {
  if (typeof content === 'string') return content === '' ? undefined : content
  if (!Array.isArray(content)) throw invalid(param, 'Input should be a string or a list of content blocks')
  const parts: ContentPart[] = []
  for (let i = 0; i < content.length; i++) {
    const block: unknown = content[i]
    if (!isObject(block) || typeof block['type'] !== 'string') throw required(`${param}.${i}.type`)
    const part = partOfBlock(block as unknown as Block, `${param}.${i}`)
    if (part !== undefined) parts.push(part)
  }
  return simplified(parts)
}

function simplified(parts: ContentPart[]): string | ContentPart[] | undefined {
  const [only] = parts
  if (only === undefined) return undefined
  const bare = Object.getOwnPropertySymbols(only).length === 0
  return parts.length === 1 && bare && only.type === 'text' && only.cache_control == null ? only.text : parts
}

/** Tool results become messages of their own, before what else the user said: other vendors want them right there. */
function userToHub(blocks: readonly Block[], param: string, into: ChatMessage[]): void {
  const rest: ContentPart[] = []
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i] as Block
    if (block.type === 'tool_result') {
      into.push(toolResultToHub(block as unknown as Record<string, unknown>, `${param}.${i}`))
      continue
    }
    const part = partOfBlock(block, `${param}.${i}`)
    if (part !== undefined) rest.push(part)
  }
  const content = simplified(rest)
  if (content !== undefined) into.push({ role: 'user', content })
}

function toolResultToHub(block: Record<string, unknown>, param: string): ChatMessage {
  const { tool_use_id: id, content, is_error: isError, cache_control: mark } = block
  if (id === undefined) throw required(`${param}.tool_use_id`)
  if (typeof id !== 'string') throw invalid(`${param}.tool_use_id`, 'Input should be a valid string')
  const message: ChatMessage = {
    role: 'tool',
    tool_call_id: id,
    content: content == null ? '' : (plainContent(content, `${param}.content`) ?? ''),
  }
  if (isError === true) message.provider_specific_fields = { is_error: true }
  if (isObject(mark)) message.cache_control = mark as unknown as CacheControl
  return message
}

function assistantToHub(blocks: Block[], param: string): ChatMessage {
  const parts: ContentPart[] = []
  const thinking: ThinkingBlock[] = []
  const calls: ToolCall[] = []
  let reasoning = ''
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i] as Block
    if (block.type === 'thinking') {
      thinking.push(block as ThinkingBlock)
      const text = (block as { thinking?: unknown }).thinking
      if (typeof text === 'string') reasoning += text
    } else if (block.type === 'redacted_thinking') {
      thinking.push(block as ThinkingBlock)
    } else if (block.type === 'tool_use') {
      calls.push(toolUseToHub(block as unknown as Record<string, unknown>, `${param}.${i}`))
    } else if (block.type === 'text') {
      const part = partOfBlock(block, `${param}.${i}`)
      if (part !== undefined) parts.push(part)
    }
    // Server tools and their results: only Anthropic can read them, and gets the original blocks below.
  }
  const message: ChatMessage = { role: 'assistant', content: assistantText(parts) }
  if (reasoning !== '') message.reasoning_content = reasoning
  if (thinking.length > 0) message.thinking_blocks = thinking
  if (calls.length > 0) message.tool_calls = calls
  keepBlocks(message, blocks)
  return message
}

/** Text blocks of one turn are one text that was cut where a citation or a tool stood. */
function assistantText(parts: readonly ContentPart[]): string | ContentPart[] | null {
  let text = ''
  for (const part of parts) {
    if (part.type !== 'text' || part.cache_control != null) return [...parts]
    text += part.text
  }
  return text === '' ? null : text
}

function toolUseToHub(block: Record<string, unknown>, param: string): ToolCall {
  const { id, name, input } = block
  if (id === undefined) throw required(`${param}.id`)
  if (typeof id !== 'string') throw invalid(`${param}.id`, 'Input should be a valid string')
  if (name === undefined) throw required(`${param}.name`)
  if (typeof name !== 'string') throw invalid(`${param}.name`, 'Input should be a valid string')
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } }
}
