import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../openai/types.ts'
import type { ToolNames } from './tool-names.ts'
import { type AnthropicTool, type AnthropicToolChoice, isObject } from './types.ts'

const words: ReadonlyMap<unknown, AnthropicToolChoice['type']> = new Map([
  ['auto', 'auto'],
  ['none', 'none'],
  ['required', 'any'],
  ['any', 'any'],
])

const bad = (message: string): GatewayError => new GatewayError('invalid_request', message, { param: 'tool_choice' })

/** The caller's tool choice in Anthropic's words; undefined when none was made. */
export function convertToolChoice(request: ChatRequest, names: ToolNames): AnthropicToolChoice | undefined {
  const choice: unknown = request.tool_choice ?? request.function_call
  if (choice === null || choice === undefined) return undefined
  if (typeof choice === 'string') {
    const type = words.get(choice)
    if (type === undefined) throw bad('tool_choice must be auto, none, required or name a function.')
    return { type }
  }
  if (!isObject(choice)) throw bad('tool_choice must be a word or an object.')
  const named = isObject(choice['function']) ? choice['function']['name'] : choice['name']
  if (typeof named === 'string') return { type: 'tool', name: names.wire(named) }
  if (choice['type'] === 'allowed_tools') {
    const allowed = choice['allowed_tools']
    return { type: words.get(isObject(allowed) ? allowed['mode'] : choice['mode']) ?? 'auto' }
  }
  const type = words.get(choice['type'])
  if (type === undefined) throw bad('tool_choice must name a function: {"type":"function","function":{"name":…}}.')
  const native: AnthropicToolChoice = { type }
  if (choice['disable_parallel_tool_use'] === true) native.disable_parallel_tool_use = true
  return native
}

/** OpenAI's `allowed_tools` choice keeps the list and narrows it; Anthropic has only the list. */
export function narrowTools(request: ChatRequest, tools: AnthropicTool[], names: ToolNames): AnthropicTool[] {
  const choice: unknown = request.tool_choice
  if (!isObject(choice) || choice['type'] !== 'allowed_tools') return tools
  const allowed = isObject(choice['allowed_tools']) ? choice['allowed_tools']['tools'] : choice['tools']
  if (!Array.isArray(allowed)) return tools
  const kept = new Set<string>()
  for (const entry of allowed as unknown[]) {
    if (!isObject(entry)) continue
    const name = isObject(entry['function']) ? entry['function']['name'] : entry['name']
    if (typeof name === 'string') kept.add(names.wire(name))
  }
  return tools.filter(tool => kept.has(tool.name))
}

/** `parallel_tool_calls: false`, which needs a choice to sit on. Says nothing for `none`. */
export function forbidParallel(choice: AnthropicToolChoice | undefined): AnthropicToolChoice {
  if (choice?.type === 'none') return choice
  return { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true }
}
