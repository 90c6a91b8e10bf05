import type { ChatMessage, ChatRequest, FinishReason, Tool, ToolCall } from '../../translate/openai/types.ts'

/** What a demo model says: decided by the request alone, so the same request always gets the same answer. */
export interface DemoAnswer {
  readonly words: readonly string[]
  readonly reasoning: readonly string[]
  readonly toolCalls: readonly ToolCall[]
  readonly finish: FinishReason
}

const greeting = {
  fast: 'Quick answer from the demo model:',
  smart: 'After some thought, the demo model answers:',
  tools: 'The demo model with tools answers:',
} as Record<string, string>

export function demoAnswer(request: ChatRequest): DemoAnswer {
  const last = request.messages[request.messages.length - 1]
  const reasoning =
    request.reasoning_effort && request.reasoning_effort !== 'none'
      ? words('The question is read, weighed and answered.')
      : []
  const tools = (request.tools ?? []).filter(tool => tool.type === 'function' && tool.function !== undefined)
  if (tools.length > 0 && request.tool_choice !== 'none' && last?.role === 'user') {
    return { words: [], reasoning, toolCalls: callsFor(tools, request, textOf(last)), finish: 'tool_calls' }
  }
  const text = last?.role === 'tool' ? `The tool said: ${textOf(last)}` : reply(request, last)
  return cut(words(text), reasoning, request)
}

function reply(request: ChatRequest, last: ChatMessage | undefined): string {
  const format = request.response_format
  if (format?.type === 'json_schema') return JSON.stringify(sample(format.json_schema.schema ?? {}, textOf(last)))
  if (format?.type === 'json_object') return JSON.stringify({ answer: textOf(last) })
  const head = greeting[request.model] ?? 'The demo model answers:'
  return `${head} you said “${textOf(last)}”. Point a model of your config.yaml at a real vendor to get real answers.`
}

/** Words with the space that follows them, so that joining them gives the text back. */
const words = (text: string): string[] => text.match(/\S+\s*/g) ?? []

function cut(all: readonly string[], reasoning: readonly string[], request: ChatRequest): DemoAnswer {
  const limit = request.max_completion_tokens ?? request.max_tokens ?? Number.POSITIVE_INFINITY
  const kept = all.slice(0, Math.max(0, Math.floor(limit)))
  return { words: kept, reasoning, toolCalls: [], finish: kept.length < all.length ? 'length' : 'stop' }
}

function callsFor(tools: readonly Tool[], request: ChatRequest, text: string): ToolCall[] {
  const choice = request.tool_choice
  const named = typeof choice === 'object' && choice !== null ? choice.function?.name : undefined
  const mentioned = tools.filter(tool => text.includes(tool.function?.name ?? ''))
  const chosen =
    named !== undefined
      ? tools.filter(tool => tool.function?.name === named)
      : mentioned.length > 0 && request.parallel_tool_calls !== false
        ? mentioned
        : (mentioned.length > 0 ? mentioned : tools).slice(0, 1)
  return chosen.map((tool, index) => ({
    id: `call_demo_${index + 1}`,
    type: 'function',
    function: {
      name: tool.function?.name ?? '',
      arguments: JSON.stringify(sample(tool.function?.parameters ?? { type: 'object' }, text)),
    },
  }))
}

const maxDepth = 6

/** A value that fits a JSON Schema: texts echo the user, numbers are small, every required property is there. */
function sample(schema: Record<string, unknown>, text: string, depth = 0): unknown {
  const {
    enum: options,
    const: fixed,
    type,
    properties,
    items,
    anyOf,
  } = schema as {
    enum?: unknown[]
    const?: unknown
    type?: string | string[]
    properties?: Record<string, Record<string, unknown>>
    items?: Record<string, unknown>
    anyOf?: Record<string, unknown>[]
  }
  if (fixed !== undefined) return fixed
  if (options !== undefined && options.length > 0) return options[0]
  if (anyOf?.[0] !== undefined) return sample(anyOf[0], text, depth)
  switch (Array.isArray(type) ? type[0] : type) {
    case 'object':
    case undefined: {
      const result: Record<string, unknown> = {}
      if (depth < maxDepth) {
        for (const [name, property] of Object.entries(properties ?? {}))
          result[name] = sample(property, text, depth + 1)
      }
      return result
    }
    case 'array':
      return items !== undefined && depth < maxDepth ? [sample(items, text, depth + 1)] : []
    case 'integer':
    case 'number':
      return 1
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return text
  }
}

export function textOf(message: ChatMessage | undefined): string {
  const content = message?.content
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map(part => (part.type === 'text' ? part.text : `[${part.type}]`)).join(' ')
}
