import type { ChatMessage, ThinkingBlock, ToolCall } from '../openai/types.ts'
import { isRecord } from './gemini-types.ts'
import { unpackToolCallId } from './tool-call-id.ts'

/** Documented by Google for history that another model wrote: switches the signature check off for one call. */
export const foreignSignature = 'skip_thought_signature_validator'

/**
 * Signatures in `thinking_blocks` name their maker, so that a conversation which changes vendors never replays a
 * signature to the wrong one. The mark goes out with the block and is taken off again on the way back.
 */
const mark = 'gemini#'

export const markSignature = (signature: string): string => mark + signature

/** The bare signature of a Gemini thinking block; undefined for another vendor's, or none. */
export function geminiSignatureOf(block: ThinkingBlock): string | undefined {
  const signature = block.type === 'thinking' ? block.signature : undefined
  return typeof signature === 'string' && signature.startsWith(mark) ? signature.slice(mark.length) : undefined
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** A call's signature from `provider_specific_fields`, Google's own `extra_content`, or the id. */
export function signatureOfCall(call: ToolCall): string | undefined {
  const fields = call.provider_specific_fields
  const stated = isRecord(fields) ? text(fields['thought_signature']) : undefined
  if (stated !== undefined) return stated
  const extra = call['extra_content']
  if (isRecord(extra) && isRecord(extra['google'])) {
    const google = text(extra['google']['thought_signature'])
    if (google !== undefined) return google
  }
  return typeof call.id === 'string' ? unpackToolCallId(call.id).signature : undefined
}

/** The signature of an assistant message's text, as `decode-response` and `decode-stream` leave it there. */
export function signatureOfText(message: ChatMessage): string | undefined {
  const fields = message.provider_specific_fields
  return isRecord(fields) ? text(fields['thought_signature']) : undefined
}
