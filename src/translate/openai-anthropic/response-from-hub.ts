/** Hub answer → Anthropic message. */
import type { ChatMessage, ChatResponse, ToolCall } from '../openai/types.ts'
import { stopReasonOf } from './stop-reason.ts'
import { ToolIds } from './tool-ids.ts'
import { type Block, isObject, type Message, stringOr } from './types.ts'
import { usageFromHub } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** @param request the caller's request: its model name is the one the caller gets back where the answer has none. */
export function messageOfChatResponse(response: ChatResponse, request: Json): Message {
  const choice = response.choices[0]
  const fields = choice?.provider_specific_fields
  const stopSequence = fields?.['stop_sequence']
  const content = choice === undefined ? [] : contentOf(choice.message)
  const message: Message = {
    id: messageId(response.id),
    type: 'message',
    role: 'assistant',
    model: response.model !== '' ? response.model : stringOr(request['model']),
    content,
    stop_reason: stopReasonOf(choice?.finish_reason, fields?.['native_finish_reason'], stopSequence),
    stop_sequence: typeof stopSequence === 'string' ? stopSequence : null,
    usage: usageFromHub(response.usage),
  }
  // Some vendors finish with `stop` although they call tools; agents wait for `tool_use`.
  if (message.stop_reason === 'end_turn' && content.some(block => block.type === 'tool_use')) {
    message.stop_reason = 'tool_use'
  }
  if (fields?.['stop_details'] != null) message['stop_details'] = fields['stop_details']
  return message
}

/** Clients check nothing but log it: a `msg_` id tells a message from a request. */
export const messageId = (id: string): string => (id.startsWith('msg_') ? id : `msg_${id.replace(/^chatcmpl-/, '')}`)

function contentOf(message: ChatMessage): Block[] {
  const original = message.provider_specific_fields?.['anthropic_content']
  if (Array.isArray(original) && original.every(isObject)) return original as unknown as Block[]
  const blocks: Block[] = []
  addThinking(message, blocks)
  const text = textOf(message)
  if (text !== '') blocks.push({ type: 'text', text, citations: null })
  const ids = new ToolIds()
  const calls = message.tool_calls ?? []
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as ToolCall
    blocks.push(
      toolUse(ids.wire(typeof call.id === 'string' && call.id !== '' ? call.id : `toolu_${i}`), call.function),
    )
  }
  if (calls.length === 0 && message.function_call != null) blocks.push(toolUse('toolu_0', message.function_call))
  return blocks
}

function addThinking(message: ChatMessage, into: Block[]): void {
  const blocks = message.thinking_blocks ?? []
  let told = false
  for (const block of blocks) {
    if (block.type === 'redacted_thinking') {
      into.push({ type: 'redacted_thinking', data: block.data })
    } else {
      told ||= block.thinking !== ''
      into.push({ type: 'thinking', thinking: block.thinking, signature: block.signature ?? '' })
    }
  }
  const reasoning = message.reasoning_content
  if (!told && typeof reasoning === 'string' && reasoning !== '') {
    into.unshift({ type: 'thinking', thinking: reasoning, signature: '' })
  }
}

function textOf(message: ChatMessage): string {
  const { content, refusal } = message
  let text = ''
  if (typeof content === 'string') text = content
  else for (const part of content ?? []) if (part.type === 'text') text += part.text
  return text === '' && typeof refusal === 'string' ? refusal : text
}

export function toolUse(id: string, call: ToolCall['function']): Block {
  return { type: 'tool_use', id, name: call.name, input: inputOf(call.arguments) }
}

/** Anthropic's input is an object. Arguments that are none (a model's slip) are handed over under one key, not lost. */
export function inputOf(args: unknown): Record<string, unknown> {
  if (isObject(args)) return args
  if (typeof args !== 'string' || args.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(args)
    if (value === null) return {}
    return isObject(value) ? value : { arguments: value }
  } catch {
    return { arguments: args }
  }
}
