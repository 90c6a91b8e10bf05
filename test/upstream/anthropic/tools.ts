import type { Conversation, OfferedTool } from '../plan.ts'
import { isJson, type Json } from '../types.ts'
import type { CheckedMessage } from './messages.ts'
import { onlyKeys, reject } from './rules.ts'

const toolKeys = [
  'type',
  'name',
  'description',
  'input_schema',
  'cache_control',
  'strict',
  'defer_loading',
  'allowed_callers',
  'input_examples',
  'eager_input_streaming',
]

export interface CheckedTools {
  readonly offered: OfferedTool[]
  readonly choice: Conversation['toolChoice']
  readonly parallel: boolean
}

export function checkTools(body: Json, messages: CheckedMessage[]): CheckedTools {
  const tools = body['tools'] ?? []
  if (!Array.isArray(tools)) reject('tools: Input should be a valid list')
  const offered: OfferedTool[] = []
  tools.forEach((tool: unknown, index) => {
    if (!isJson(tool)) reject(`tools.${index}: Input should be an object`)
    // Hosted tools (web_search_20250305, …) have shapes of their own and never call back here.
    if (tool['type'] !== undefined && tool['type'] !== 'custom') return
    offered.push(checkTool(tool, `tools.${index}.custom`))
  })
  const names = offered.map(tool => tool.name)
  if (new Set(names).size !== names.length) reject('tools: Tool names must be unique.')
  const usesTools = messages.some(message =>
    message.blocks.some(block => block['type'] === 'tool_use' || block['type'] === 'tool_result'),
  )
  if (usesTools && tools.length === 0) {
    reject('Requests which include `tool_use` or `tool_result` blocks must define tools')
  }
  const choice = body['tool_choice']
  if (choice === undefined) return { offered, choice: { mode: 'auto' }, parallel: true }
  if (!isJson(choice)) reject('tool_choice: Input should be an object')
  if (tools.length === 0) reject('tool_choice: tool_choice may only be specified while providing tools.')
  return { offered, ...checkChoice(choice, names) }
}

function checkTool(tool: Json, path: string): OfferedTool {
  onlyKeys(tool, toolKeys, path)
  const name = tool['name']
  if (typeof name !== 'string') reject(`${path}.name: Field required`)
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name)) {
    reject(`${path}.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`)
  }
  if (tool['description'] !== undefined && typeof tool['description'] !== 'string') {
    reject(`${path}.description: Input should be a valid string`)
  }
  const schema = tool['input_schema']
  if (schema === undefined) reject(`${path}.input_schema: Field required`)
  if (!isJson(schema)) reject(`${path}.input_schema: Input should be an object`)
  if (schema['type'] === undefined) reject(`${path}.input_schema.type: Field required`)
  if (schema['type'] !== 'object') reject(`${path}.input_schema.type: Input should be 'object'`)
  return { name, schema }
}

function checkChoice(choice: Json, names: string[]): { choice: Conversation['toolChoice']; parallel: boolean } {
  const type = String(choice['type'])
  const parallel = choice['disable_parallel_tool_use'] !== true
  switch (type) {
    case 'auto':
    case 'any':
      onlyKeys(choice, ['type', 'disable_parallel_tool_use'], `tool_choice.${type}`)
      return { choice: { mode: type === 'any' ? 'force' : 'auto' }, parallel }
    case 'none':
      onlyKeys(choice, ['type'], 'tool_choice.none')
      return { choice: { mode: 'none' }, parallel }
    case 'tool': {
      onlyKeys(choice, ['type', 'name', 'disable_parallel_tool_use'], 'tool_choice.tool')
      const name = String(choice['name'])
      if (!names.includes(name)) reject(`Tool '${name}' not found in provided tools`)
      return { choice: { mode: 'force', names: [name] }, parallel }
    }
    default:
      reject(
        `tool_choice: Input tag '${type}' found using 'type' does not match any of the expected tags: 'any', 'auto', 'none', 'tool'`,
      )
  }
}
