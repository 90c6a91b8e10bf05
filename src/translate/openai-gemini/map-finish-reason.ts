import type { FinishReason } from '../openai/types.ts'

/** The turn produced nothing usable: the model's own call or answer was malformed. Worth another try. */
const malformed: ReadonlySet<string> = new Set([
  'MALFORMED_FUNCTION_CALL',
  'MALFORMED_RESPONSE',
  'UNEXPECTED_TOOL_CALL',
])

const filtered: ReadonlySet<string> = new Set([
  'SAFETY',
  'RECITATION',
  'LANGUAGE',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
  'IMAGE_OTHER',
  'NO_IMAGE',
  'OTHER',
  'ESCALATION',
])

export const isMalformed = (reason: string): boolean => malformed.has(reason)

/** Gemini says STOP also when it stopped to call tools; OpenAI clients wait for `tool_calls` then. */
export function mapFinishReason(reason: string, hasToolCalls: boolean): FinishReason {
  if (reason === 'MAX_TOKENS' || reason === 'CONTINUATION') return 'length'
  if (filtered.has(reason)) return 'content_filter'
  return hasToolCalls ? 'tool_calls' : 'stop'
}

/** True when the vendor's own word says more than the mapped one. */
export const saysMore = (reason: string): boolean => reason !== 'STOP' && reason !== 'MAX_TOKENS'
