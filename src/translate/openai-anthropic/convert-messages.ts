import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatMessage } from '../openai/types.ts'
import { type AssistantContext, convertAssistant } from './convert-assistant.ts'
import { convertParts, isBlank } from './convert-content.ts'
import { ToolIds } from './tool-ids.ts'
import type { ToolNames } from './tool-names.ts'
import { type Block, isObject, stringOr, type TextBlock, type ToolResultBlock } from './types.ts'

/** A turn under construction. Results come first in it: Anthropic wants them before any other content. */
export interface Turn {
  readonly role: 'user' | 'assistant'
  readonly results: Block[]
  readonly blocks: Block[]
  /** Set when the turn had only blank text: sent as it is, so that the vendor says what is wrong with it. */
  blank?: string
}

export interface ConvertedMessages {
  readonly system: TextBlock[]
  readonly turns: Turn[]
}

/**
 * Hub messages → alternating turns. System and developer messages are collected from anywhere into `system`;
 * neighbours of one role become one turn.
 */
export function convertMessages(messages: unknown, names: ToolNames, betas: Set<string>): ConvertedMessages {
  if (!Array.isArray(messages)) {
    throw new GatewayError('invalid_request', 'messages must be a list of messages.', { param: 'messages' })
  }
  const system: Block[] = []
  const turns: Turn[] = []
  const context: AssistantContext = { names, ids: new ToolIds(), betas, legacyCalls: [] }
  for (let i = 0; i < messages.length; i++) {
    const message: unknown = messages[i]
    const param = `messages[${i}]`
    if (!isObject(message)) throw new GatewayError('invalid_request', `${param} must be an object.`, { param })
    convertMessage(message as unknown as ChatMessage, param, system, turns, context)
  }
  return { system: system as TextBlock[], turns: trimPrefill(turns) }
}

function convertMessage(
  message: ChatMessage,
  param: string,
  system: Block[],
  turns: Turn[],
  context: AssistantContext,
): void {
  switch (message.role) {
    case 'system':
    case 'developer': {
      const from = system.length
      convertParts(message.content, `${param}.content`, system, context.betas)
      for (let i = from; i < system.length; i++) {
        if (system[i]?.type !== 'text') {
          throw new GatewayError('invalid_request', `${param}: a system message can hold only text for Anthropic.`, {
            param: `${param}.content`,
          })
        }
      }
      markLast(system, from, message)
      return
    }
    case 'user': {
      const turn = turnOf('user', turns)
      const from = turn.blocks.length
      convertParts(message.content, `${param}.content`, turn.blocks, context.betas)
      for (let i = from; i < turn.blocks.length; i++) {
        const block = turn.blocks[i]
        if (block?.type !== 'tool_result') continue
        turn.results.push(block)
        turn.blocks.splice(i--, 1)
      }
      markLast(turn.blocks, from, message)
      if (turn.blocks.length === 0) turn.blank = typeof message.content === 'string' ? message.content : ''
      return
    }
    case 'tool':
    case 'function':
      turnOf('user', turns).results.push(toolResult(message, param, context))
      return
    case 'assistant': {
      const blocks = convertAssistant(message, param, context)
      // Nothing said and nothing called: an empty turn would be refused, and leaving it out loses nothing.
      if (blocks.length === 0) return
      markLast(blocks, 0, message)
      turnOf('assistant', turns).blocks.push(...blocks)
      return
    }
    default:
      throw new GatewayError(
        'invalid_request',
        `${param}.role must be one of system, developer, user, assistant, tool, function.`,
        { param: `${param}.role` },
      )
  }
}

function turnOf(role: Turn['role'], turns: Turn[]): Turn {
  const last = turns.at(-1)
  if (last?.role === role) return last
  const turn: Turn = { role, results: [], blocks: [] }
  turns.push(turn)
  return turn
}

/** A marker on the message belongs to its last part; thinking may not carry one. */
function markLast(blocks: Block[], from: number, message: ChatMessage): void {
  if (message.cache_control == null || blocks.length <= from) return
  const last = blocks.at(-1)
  if (last === undefined || last.type === 'thinking' || last.type === 'redacted_thinking') return
  blocks[blocks.length - 1] = { ...last, cache_control: message.cache_control }
}

function toolResult(message: ChatMessage, param: string, context: AssistantContext): ToolResultBlock {
  const result: ToolResultBlock = { type: 'tool_result', tool_use_id: resultId(message, param, context) }
  if (typeof message.content === 'string') {
    result.content = message.content
  } else {
    const blocks: Block[] = []
    convertParts(message.content, `${param}.content`, blocks, context.betas)
    if (blocks.length > 0) result.content = blocks
  }
  if (message['is_error'] === true || message.provider_specific_fields?.['is_error'] === true) result.is_error = true
  if (message.cache_control != null) result.cache_control = message.cache_control
  return result
}

function resultId(message: ChatMessage, param: string, context: AssistantContext): string {
  if (typeof message.tool_call_id === 'string' && message.tool_call_id !== '') {
    return context.ids.wire(message.tool_call_id)
  }
  if (message.role === 'function') {
    const at = context.legacyCalls.findIndex(call => call.name === message.name)
    const call = at < 0 ? undefined : context.legacyCalls[at]
    if (call !== undefined) {
      context.legacyCalls[at] = { name: '', id: '' }
      return call.id
    }
  }
  throw new GatewayError('missing_field', `${param}.tool_call_id is missing: say which tool call this answers.`, {
    param: `${param}.tool_call_id`,
  })
}

/** Anthropic continues a final assistant turn, and refuses one that ends in white space. */
function trimPrefill(turns: Turn[]): Turn[] {
  const last = turns.at(-1)
  const block = last?.role === 'assistant' ? last.blocks.at(-1) : undefined
  if (last === undefined || block?.type !== 'text') return turns
  const text = stringOr((block as TextBlock).text)
  const trimmed = text.trimEnd()
  if (trimmed !== text && !isBlank(text)) last.blocks[last.blocks.length - 1] = { ...block, text: trimmed }
  return turns
}
