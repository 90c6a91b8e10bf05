import type { Delta } from '../openai/types.ts'
import { isRecord } from './gemini-types.ts'
import { markSignature } from './thought-signature.ts'
import { packToolCallId } from './tool-call-id.ts'
import type { ToolNames } from './tool-names.ts'

/** What decoding needs besides the bytes: made once per call, so that decoding itself has no clock and no dice. */
export interface DecodeContext {
  /** Model and id for answers that do not state their own. */
  readonly model: string
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly newCallId: () => string
  readonly names: ToolNames
  /** Model generation: how searches are billed. */
  readonly generation: number
  /** Keep a stream's text to place citations in it. */
  readonly grounded: boolean
}

/** What one choice has had so far. Indices count over the whole answer, not per event. */
export interface ChoiceState {
  toolCalls: number
  images: number
}

/** Parts of hosted tools: kept as they are, because they have to be replayed as they are. */
const serverToolKeys = ['executableCode', 'codeExecutionResult', 'toolCall', 'toolResponse'] as const

const signatureOf = (part: Record<string, unknown>): string | undefined => {
  const signature = part['thoughtSignature']
  return typeof signature === 'string' && signature !== '' ? signature : undefined
}

/** One Gemini part as a hub delta; undefined when it says nothing. Never throws. */
export function decodePart(part: unknown, state: ChoiceState, context: DecodeContext): Delta | undefined {
  if (!isRecord(part)) return undefined
  const signature = signatureOf(part)
  if (isRecord(part['functionCall'])) return callDelta(part['functionCall'], signature, state, context)
  for (const key of serverToolKeys) {
    if (isRecord(part[key])) return { provider_specific_fields: { server_tool_parts: [part] } }
  }
  if (isRecord(part['inlineData'])) return mediaDelta(part, part['inlineData'], signature, state, context)
  const text = typeof part['text'] === 'string' ? part['text'] : ''
  if (part['thought'] === true) return thoughtDelta(text, signature)
  if (signature === undefined) return text === '' ? undefined : { content: text }
  const fields = { thought_signature: signature }
  // Gemini may send the signature of an answer on an empty part at its very end.
  return text === '' ? { provider_specific_fields: fields } : { content: text, provider_specific_fields: fields }
}

function callDelta(
  call: Record<string, unknown>,
  signature: string | undefined,
  state: ChoiceState,
  context: DecodeContext,
): Delta | undefined {
  if (typeof call['name'] !== 'string' || call['name'] === '') return undefined
  const vendorId = typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : undefined
  const args = isRecord(call['args']) ? call['args'] : {}
  return {
    tool_calls: [
      {
        index: state.toolCalls++,
        id: packToolCallId(vendorId, context.newCallId, signature),
        type: 'function',
        function: { name: context.names.fromWire(call['name']), arguments: JSON.stringify(args) },
        ...(signature === undefined ? {} : { provider_specific_fields: { thought_signature: signature } }),
      },
    ],
  }
}

function thoughtDelta(text: string, signature: string | undefined): Delta | undefined {
  if (signature === undefined) return text === '' ? undefined : { reasoning_content: text }
  const block = { type: 'thinking' as const, thinking: text, signature: markSignature(signature), origin: 'gemini' }
  return text === '' ? { thinking_blocks: [block] } : { reasoning_content: text, thinking_blocks: [block] }
}

function mediaDelta(
  part: Record<string, unknown>,
  media: Record<string, unknown>,
  signature: string | undefined,
  state: ChoiceState,
  context: DecodeContext,
): Delta | undefined {
  const mimeType = typeof media['mimeType'] === 'string' ? media['mimeType'] : ''
  const data = typeof media['data'] === 'string' ? media['data'] : ''
  // Drafts that an image model thinks in are not part of the answer.
  if (data === '' || part['thought'] === true) return undefined
  if (mimeType.startsWith('audio/')) return { audio: { id: `audio_${context.id}`, data } }
  if (!mimeType.startsWith('image/'))
    return { provider_specific_fields: { inline_data: [{ mime_type: mimeType, data }] } }
  const delta: Delta = {
    images: [{ type: 'image_url', image_url: { url: `data:${mimeType};base64,${data}` }, index: state.images++ }],
  }
  if (signature !== undefined) delta.provider_specific_fields = { image_signatures: [signature] }
  return delta
}
