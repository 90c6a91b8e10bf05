import type { Prompt, PromptShape } from '../../../learning/prompt.ts'
import type { Operation } from '../../../providers/wire.ts'

/** Operations whose answer depends on a model's skill; only these are routed by what is in the prompt. */
export const routable = (operation: Operation): boolean =>
  operation === 'chat' || operation === 'completions' || operation === 'messages'

/** Characters read of one text; featurizers look at less. */
const longest = 20_000

type Json = Readonly<Record<string, unknown>>

/**
 * What routing sees of a request: OpenAI chat and completions, Anthropic messages. Read leniently: a body that is wrong
 * is refused elsewhere.
 */
export function requestPrompt(json: Json): Prompt {
  const messages = json['messages']
  if (!Array.isArray(messages)) {
    const prompt = json['prompt']
    return { text: textOf(Array.isArray(prompt) ? prompt[0] : prompt), system: '', shape: shapeOf(json, undefined) }
  }
  let last = -1
  let system = textOf(json['system'])
  for (let i = 0; i < messages.length; i++) {
    const role = field(messages[i], 'role')
    if (role === 'user' && !isToolResult(messages[i])) last = i
    else if (role === 'system' || role === 'developer') {
      const own = textOf(field(messages[i], 'content'))
      system = system === '' ? own : `${system}\n${own}`
    }
  }
  if (last < 0) last = messages.length - 1
  return { text: textOf(field(messages[last], 'content')), system, shape: shapeOf(json, { messages, last }) }
}

interface Turns {
  readonly messages: readonly unknown[]
  /** Place of the user's last turn. */
  readonly last: number
}

function shapeOf(json: Json, turns: Turns | undefined): PromptShape {
  let count = 1
  let history = 0
  let images = 0
  let audio = 0
  let inToolLoop = false
  let lastToolFailed = false
  if (turns !== undefined) {
    const { messages, last } = turns
    count = 0
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i]
      const role = field(message, 'role')
      if (role === 'system' || role === 'developer') continue
      if ((role === 'user' && !isToolResult(message)) || role === 'assistant') count++
      const content = field(message, 'content')
      if (i !== last) history += lengthOf(content)
      if (!Array.isArray(content)) continue
      for (const part of content) {
        const type = field(part, 'type')
        if (type === 'image_url' || type === 'image') images++
        else if (type === 'input_audio') audio++
      }
    }
    const end = messages[messages.length - 1]
    inToolLoop = isToolResult(end)
    lastToolFailed = inToolLoop && failed(end)
  }
  const tools = json['tools']
  const format = field(json['response_format'], 'type')
  return {
    turns: Math.max(1, count),
    historyCharacters: history,
    tools: Array.isArray(tools) ? tools.length : 0,
    toolSchemaDepth: Array.isArray(tools) ? deepest(tools) : 0,
    inToolLoop,
    lastToolFailed,
    images,
    audio,
    jsonSchema: format === 'json_schema',
    stream: json['stream'] === true,
    maxOutputTokens: number(json['max_completion_tokens'] ?? json['max_tokens']),
    temperature: number(json['temperature']),
  }
}

/** OpenAI: a message of role `tool`. Anthropic: a user message with a `tool_result` part. */
function isToolResult(message: unknown): boolean {
  const role = field(message, 'role')
  if (role === 'tool' || role === 'function') return true
  const content = field(message, 'content')
  return role === 'user' && Array.isArray(content) && content.some(part => field(part, 'type') === 'tool_result')
}

function failed(message: unknown): boolean {
  const content = field(message, 'content')
  if (Array.isArray(content)) return content.some(part => field(part, 'is_error') === true)
  return typeof content === 'string' && /^\s*(error|exception|traceback)/i.test(content.slice(0, 80))
}

/** Levels of the deepest parameter schema, counted no further than is useful. */
function deepest(tools: readonly unknown[]): number {
  let most = 0
  for (const tool of tools.slice(0, 16)) {
    const definition = field(tool, 'function') ?? tool
    most = Math.max(most, depth(field(definition, 'parameters') ?? field(definition, 'input_schema'), 8))
  }
  return most
}

function depth(schema: unknown, left: number): number {
  if (left === 0 || typeof schema !== 'object' || schema === null) return 0
  let most = 0
  const properties = field(schema, 'properties')
  if (typeof properties === 'object' && properties !== null) {
    for (const key in properties) most = Math.max(most, depth((properties as Json)[key], left - 1))
  }
  return 1 + Math.max(most, depth(field(schema, 'items'), left - 1))
}

/** A text, or the texts of a list of parts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content.length > longest ? ends(content) : content
  if (!Array.isArray(content)) return ''
  let text = ''
  for (const part of content) {
    const own = typeof part === 'string' ? part : field(part, 'text')
    if (typeof own !== 'string') continue
    text = text === '' ? own : `${text}\n${own}`
    if (text.length > longest) return ends(text)
  }
  return text
}

const ends = (text: string): string => `${text.slice(0, longest / 2)}\n${text.slice(-longest / 2)}`

function lengthOf(content: unknown): number {
  if (typeof content === 'string') return content.length
  if (!Array.isArray(content)) return 0
  let total = 0
  for (const part of content) {
    const text = typeof part === 'string' ? part : (field(part, 'text') ?? field(part, 'content'))
    total += lengthOf(text)
  }
  return total
}

const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Json)[name] : undefined
}
