import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatMessage, ToolCall } from '../openai/types.ts'
import { convertContent, type PartWishes } from './convert-content.ts'
import { mediaPart } from './convert-media.ts'
import { type GeminiContent, type GeminiPart, isRecord, textOf } from './gemini-types.ts'
import type { RequestOptions } from './request-options.ts'
import { foreignSignature, geminiSignatureOf, signatureOfCall, signatureOfText } from './thought-signature.ts'
import { unpackToolCallId } from './tool-call-id.ts'
import type { ToolNames } from './tool-names.ts'
import { type PendingCall, ToolResults } from './tool-results.ts'

export interface ConvertedMessages {
  readonly contents: GeminiContent[]
  /** Text of every system and developer message, in order. Mid-conversation ones are hoisted: Gemini has no other place. */
  readonly system: string[]
  readonly wishes: PartWishes
}

/** @throws GatewayError for a conversation Gemini has no words for; `param` says where. */
export function convertMessages(
  messages: readonly ChatMessage[],
  options: RequestOptions,
  names: ToolNames,
): ConvertedMessages {
  const contents: GeminiContent[] = []
  const system: string[] = []
  const wishes: PartWishes = { resolution: undefined }
  const results = new ToolResults(options, names, wishes)
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index]
    const path = `messages[${index}]`
    if (!isRecord(message)) throw new GatewayError('invalid_request', 'A message must be an object.', { param: path })
    const role = message['role']
    if (role === 'tool' || role === 'function') {
      results.add(message as ChatMessage, path)
      continue
    }
    append(contents, 'user', results.flush())
    switch (role) {
      case 'system':
      case 'developer':
        system.push(...systemText(message as ChatMessage, options, path))
        break
      case 'user':
        append(contents, 'user', convertContent(message.content, options.family, wishes, `${path}.content`))
        break
      case 'assistant': {
        const calls: PendingCall[] = []
        append(contents, 'model', assistantParts(message as ChatMessage, options, names, wishes, calls, path))
        results.expect(calls)
        break
      }
      default:
        throw new GatewayError(
          'invalid_request',
          "A message's role must be system, developer, user, assistant or tool.",
          { param: `${path}.role` },
        )
    }
  }
  append(contents, 'user', results.flush())
  for (const content of contents) fillEmptyTurn(content)
  return { contents, system, wishes }
}

/** Turns alternate: what the same side says next joins its last turn. */
function append(contents: GeminiContent[], role: 'user' | 'model', parts: GeminiPart[] | undefined): void {
  if (parts === undefined) return
  const last = contents[contents.length - 1]
  if (last?.role === role) last.parts.push(...parts)
  else if (role === 'user' || parts.length > 0) contents.push({ role, parts })
}

/** The API wants text in a user's turn; results of tools speak for themselves. */
function fillEmptyTurn(content: GeminiContent): void {
  if (content.role !== 'user') return
  if (content.parts.some(part => part.text !== undefined || part.functionResponse !== undefined)) return
  content.parts.push({ text: ' ' })
}

function systemText(message: ChatMessage, options: RequestOptions, path: string): string[] {
  const parts = convertContent(message.content, options.family, { resolution: undefined }, `${path}.content`)
  return parts.map(part => {
    if (part.text === undefined) {
      throw new GatewayError('invalid_request', 'Gemini takes only text in system messages.', {
        param: `${path}.content`,
      })
    }
    return part.text
  })
}

function assistantParts(
  message: ChatMessage,
  options: RequestOptions,
  names: ToolNames,
  wishes: PartWishes,
  calls: PendingCall[],
  path: string,
): GeminiPart[] {
  const parts: GeminiPart[] = []
  for (const block of Array.isArray(message.thinking_blocks) ? message.thinking_blocks : []) {
    if (!isRecord(block)) continue
    const signature = geminiSignatureOf(block)
    if (signature === undefined || block.type !== 'thinking') continue
    parts.push({ text: textOf(block.thinking), thought: true, thoughtSignature: signature })
  }
  parts.push(...serverToolParts(message))
  const spoken = convertContent(message.content, options.family, wishes, `${path}.content`)
  if (spoken.length === 0 && typeof message.audio?.transcript === 'string' && message.audio.transcript !== '') {
    spoken.push({ text: message.audio.transcript })
  }
  sign(spoken, signatureOfText(message))
  parts.push(...spoken)
  parts.push(...imageParts(message, path))
  const before = calls.length
  for (const [index, call] of callsOf(message).entries()) {
    parts.push(callPart(call, names, calls, `${path}.tool_calls[${index}]`))
  }
  const first = parts.find(part => part.functionCall !== undefined)
  // In a batch of parallel calls the first one carries the signature; a batch that another model wrote has none.
  if (calls.length > before && first !== undefined && first.thoughtSignature === undefined) {
    if (options.family.needsSignatures) first.thoughtSignature = foreignSignature
  }
  return parts
}

/** A text's signature goes back on the text it came with: the last one, or an empty one of its own. */
function sign(parts: GeminiPart[], signature: string | undefined): void {
  if (signature === undefined) return
  const last = parts.findLast(part => part.text !== undefined && part.thought !== true)
  if (last === undefined) parts.push({ text: '', thoughtSignature: signature })
  else last.thoughtSignature = signature
}

/** Calls of hosted tools, their results, and code that ran: replayed as they came, ids and signatures included. */
function serverToolParts(message: ChatMessage): GeminiPart[] {
  const fields = message.provider_specific_fields
  const kept = isRecord(fields) ? fields['server_tool_parts'] : undefined
  return Array.isArray(kept) ? kept.filter(isRecord) : []
}

function imageParts(message: ChatMessage, path: string): GeminiPart[] {
  if (!Array.isArray(message.images)) return []
  const fields = message.provider_specific_fields
  const signatures = isRecord(fields) && Array.isArray(fields['image_signatures']) ? fields['image_signatures'] : []
  return message.images.flatMap((image, index) => {
    const url = isRecord(image) && isRecord(image.image_url) ? image.image_url.url : undefined
    if (typeof url !== 'string') return []
    const part = mediaPart(url, 'image', undefined, `${path}.images[${index}]`)
    const signature: unknown = signatures[index]
    if (typeof signature === 'string' && signature !== '') part.thoughtSignature = signature
    return [part]
  })
}

function callsOf(message: ChatMessage): ToolCall[] {
  if (Array.isArray(message.tool_calls) && message.tool_calls.length > 0) return message.tool_calls
  const legacy = message.function_call
  return isRecord(legacy) ? [{ id: '', function: legacy as ToolCall['function'] }] : []
}

function callPart(call: ToolCall, names: ToolNames, calls: PendingCall[], param: string): GeminiPart {
  const definition: unknown = isRecord(call) ? call.function : undefined
  if (!isRecord(definition) || typeof definition['name'] !== 'string') {
    throw new GatewayError('missing_field', 'The tool call has no function name.', { param: `${param}.function.name` })
  }
  const { id, vendorId } = unpackToolCallId(typeof call.id === 'string' ? call.id : '')
  const name = names.toWire(definition['name'])
  const functionCall: NonNullable<GeminiPart['functionCall']> = { name, args: argumentsOf(definition, param) }
  if (vendorId !== undefined) functionCall.id = vendorId
  calls.push({ id, vendorId, name })
  const part: GeminiPart = { functionCall }
  const signature = signatureOfCall(call)
  if (signature !== undefined) part.thoughtSignature = signature
  return part
}

/** Arguments are a JSON text there and an object here; '' and null mean none. */
function argumentsOf(definition: Record<string, unknown>, param: string): Record<string, unknown> {
  const stated = definition['arguments']
  if (isRecord(stated)) return stated
  if (stated === undefined || stated === null) return {}
  if (typeof stated === 'string') {
    if (stated.trim() === '') return {}
    try {
      const parsed: unknown = JSON.parse(stated)
      if (isRecord(parsed)) return parsed
      if (parsed === null) return {}
    } catch {
      // Answered below, together with values that are not objects.
    }
  }
  throw new GatewayError('invalid_request', 'Tool call arguments must be a JSON object.', {
    param: `${param}.function.arguments`,
  })
}
