import type { ThinkingBlock } from '../../translate/openai/types.ts'

export type Json = Record<string, unknown>

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Text and reasoning of a message or delta, whichever of the vendors' fields hold them. */
export interface MessageText {
  content: string | undefined
  reasoning: string | undefined
  blocks: ThinkingBlock[] | undefined
  /** OpenRouter's structured reasoning, kept so that it can be sent back. */
  details: unknown[] | undefined
}

export function readText(message: Json): MessageText {
  const out: MessageText = { content: undefined, reasoning: undefined, blocks: undefined, details: undefined }
  const content = message['content']
  if (typeof content === 'string') out.content = content
  else if (Array.isArray(content)) readParts(content, out)

  const details = message['reasoning_details']
  if (Array.isArray(details) && details.length > 0) out.details = details
  const named = firstText(message['reasoning_content'], message['reasoning'], message['thinking'])
  const reasoning = named ?? (out.details === undefined ? undefined : detailsText(out.details))
  if (reasoning !== undefined && reasoning !== '') out.reasoning = (out.reasoning ?? '') + reasoning
  const blocks = message['thinking_blocks']
  if (Array.isArray(blocks) && blocks.length > 0) out.blocks = blocks.filter(isObject) as unknown as ThinkingBlock[]
  return out
}

/** Mistral's content lists: text parts, and thinking parts that hold text parts of their own. */
function readParts(parts: readonly unknown[], out: MessageText): void {
  for (const part of parts) {
    if (typeof part === 'string') out.content = (out.content ?? '') + part
    else if (!isObject(part)) continue
    else if (part['type'] === 'thinking' || part['type'] === 'reasoning') {
      out.reasoning = (out.reasoning ?? '') + nestedText(part['thinking'] ?? part['text'])
    } else if (typeof part['text'] === 'string') out.content = (out.content ?? '') + part['text']
  }
}

function nestedText(value: unknown): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return ''
  return value.map(part => (isObject(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('')
}

function detailsText(details: readonly unknown[]): string {
  return details.map(detail => (isObject(detail) ? (firstText(detail['text'], detail['summary']) ?? '') : '')).join('')
}

function firstText(...values: unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === 'string' && value !== '')
}

/** Tool arguments as the JSON string the hub wants; some vendors send the object itself. */
export function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined || value === null ? '' : JSON.stringify(value)
}
