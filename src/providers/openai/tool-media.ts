import type { Plan } from './plan.ts'
import { wireToolCallId } from './tool-call-ids.ts'

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

const media: ReadonlySet<unknown> = new Set(['image_url', 'file', 'input_audio', 'video_url'])

/** Says where the images of a result went; a tool message may not be empty. */
const elsewhere = 'The result is attached to the next user message.'

/**
 * A tool message without its images and files, which are appended to `into`; the message itself when it has none.
 * OpenAI takes text only in tool messages ("Supported values are: 'text'"), Anthropic's tool results hold images too.
 */
export function withoutMedia(message: Json, into: unknown[], plan: Plan): Json {
  const { content, tool_call_id: id } = message
  if (!Array.isArray(content) || !content.some(isMedia)) return message
  const texts = content.filter(part => !isMedia(part))
  // The model has to know which call an image belongs to.
  const call = typeof id === 'string' ? ` ${wireToolCallId(id, plan)}` : ''
  into.push({ type: 'text', text: `Attached result of tool call${call}:` })
  into.push(...content.filter(isMedia))
  return { ...message, content: texts.length === 0 ? elsewhere : texts }
}

const isMedia = (part: unknown): boolean => isObject(part) && media.has(part['type'])
