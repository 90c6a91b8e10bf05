import { isObject } from '../../translate/openai-anthropic/types.ts'

/** A signature that is empty or carries another vendor's mark (`gemini#…`). */
const foreign = /"signature"\s*:\s*"(?:"|[a-z][a-z0-9-]*#)/

const isForeign = (block: unknown): boolean =>
  isObject(block) &&
  block['type'] === 'thinking' &&
  (typeof block['signature'] !== 'string' || /^(?:$|[a-z][a-z0-9-]*#)/.test(block['signature']))

/**
 * A conversation that another vendor's model answered in part replays thinking which Anthropic did not sign and would
 * refuse. Returns the messages without those blocks, or undefined when there are none: then the body stays as it is.
 */
export function withoutForeignThinking(text: string, messages: unknown): unknown[] | undefined {
  if (!Array.isArray(messages) || !foreign.test(text)) return undefined
  let changed = false
  const kept: unknown[] = []
  for (const message of messages as unknown[]) {
    if (!isObject(message) || message['role'] !== 'assistant' || !Array.isArray(message['content'])) {
      kept.push(message)
      continue
    }
    const content = message['content'].filter(block => !isForeign(block))
    if (content.length === message['content'].length) {
      kept.push(message)
      continue
    }
    changed = true
    // The vendor joins the user turns around an assistant turn of which nothing is left.
    if (content.length > 0) kept.push({ ...message, content })
  }
  return changed ? kept : undefined
}
