import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../openai/types.ts'
import { betaOfTool, mcpBeta, mcpServer, webSearchTool } from './hosted-tools.ts'
import type { ParamPolicy } from './param-policy.ts'
import { closeSchema, objectRoot } from './schema.ts'
import { ToolNames } from './tool-names.ts'
import { type AnthropicTool, isObject, stringOr } from './types.ts'

export interface PreparedTools {
  readonly tools: AnthropicTool[]
  readonly mcpServers: Record<string, unknown>[]
  readonly names: ToolNames
}

/** Keys of a function tool that Anthropic knows under the same name. */
const extras = ['cache_control', 'defer_loading', 'allowed_callers', 'input_examples', 'eager_input_streaming'] as const

/** Hub tools (and legacy `functions`) → Anthropic tools. Betas of hosted tools are added to `betas`. */
export function prepareTools(
  request: ChatRequest,
  strictSchemas: boolean,
  policy: ParamPolicy,
  betas: Set<string>,
): PreparedTools {
  const given = toolList(request)
  const names = new ToolNames(given.map(nameOf).filter(name => name !== undefined))
  const tools: AnthropicTool[] = []
  const mcpServers: Record<string, unknown>[] = []
  for (let i = 0; i < given.length; i++) {
    const tool = given[i] as Record<string, unknown>
    const param = request.tools == null ? `functions[${i}]` : `tools[${i}]`
    const type = tool['type']
    if (type === 'function' || (isCustom(tool) && isObject(tool['input_schema']))) {
      tools.push(functionTool(tool, names, strictSchemas, param))
    } else if (isCustom(tool)) {
      policy.refuse(param, '(a custom tool with free-form input) is not supported')
    } else if (type === 'mcp') {
      mcpServers.push(mcpServer(tool))
      betas.add(mcpBeta)
    } else if (type === 'web_search' || type === 'web_search_preview') {
      tools.push(webSearchTool(tool) as AnthropicTool)
    } else {
      tools.push(hostedTool(tool))
      const beta = betaOfTool(stringOr(type))
      if (beta !== undefined) betas.add(beta)
    }
  }
  if (request.web_search_options != null && !tools.some(tool => tool.name === 'web_search')) {
    tools.push(webSearchTool(request.web_search_options) as AnthropicTool)
  }
  return { tools, mcpServers, names }
}

function toolList(request: ChatRequest): Record<string, unknown>[] {
  const legacy = request.tools == null
  const list: unknown = legacy ? request.functions : request.tools
  if (list === null || list === undefined) return []
  const param = legacy ? 'functions' : 'tools'
  if (!Array.isArray(list)) throw new GatewayError('invalid_request', `${param} must be a list.`, { param })
  return list.map((entry: unknown, i) => {
    const path = `${param}[${i}]`
    if (!isObject(entry)) throw new GatewayError('invalid_request', `${path} must be an object.`, { param: path })
    const tool = legacy ? { type: 'function', function: entry } : entry
    if (tool['type'] === 'function' && typeof functionOf(tool)['name'] !== 'string') {
      throw new GatewayError('missing_field', `${path} needs the function's name.`, { param: path })
    }
    return tool
  })
}

/** Anthropic's own form of a tool, accepted in a hub request: `{name, input_schema}`, type `custom` or none. */
const isCustom = (tool: Record<string, unknown>): boolean => tool['type'] == null || tool['type'] === 'custom'

/** The object that holds name, description and schema: `function`, or the tool itself in the flat form. */
const functionOf = (tool: Record<string, unknown>): Record<string, unknown> =>
  isObject(tool['function']) ? tool['function'] : tool

function nameOf(tool: Record<string, unknown>): string | undefined {
  const name = functionOf(tool)['name']
  return typeof name === 'string' ? name : undefined
}

function functionTool(
  tool: Record<string, unknown>,
  names: ToolNames,
  strictSchemas: boolean,
  param: string,
): AnthropicTool {
  const definition = functionOf(tool)
  const schema = objectRoot(definition['parameters'] ?? definition['input_schema'])
  const strict = strictSchemas && (definition['strict'] ?? tool['strict']) === true
  const out: AnthropicTool = {
    name: names.wire(stringOr(definition['name'])),
    input_schema: strict ? closeSchema(schema, param) : schema,
  }
  const description = definition['description']
  if (typeof description === 'string' && description !== '') out.description = description
  // Models without constrained decoding refuse the flag; there it is only a hint, so it is left out.
  if (strict) out.strict = true
  for (const key of extras) {
    const value = tool[key] ?? definition[key]
    if (value !== undefined && value !== null) (out as Record<string, unknown>)[key] = value
  }
  return out
}

/** A hosted tool as it is. LiteLLM's spelling wraps its settings as a function: `{type, function: {name, parameters}}`. */
function hostedTool(tool: Record<string, unknown>): AnthropicTool {
  const { function: wrapped, ...rest } = tool
  if (!isObject(wrapped)) return rest as unknown as AnthropicTool
  const settings = isObject(wrapped['parameters']) ? wrapped['parameters'] : {}
  return { ...rest, name: stringOr(wrapped['name']), ...settings }
}
