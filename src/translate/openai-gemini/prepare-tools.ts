import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest, FunctionDefinition, Tool, ToolChoice } from '../openai/types.ts'
import { convertSchema } from './convert-schema.ts'
import { type GeminiFunctionDeclaration, type GeminiTool, isRecord, textOf } from './gemini-types.ts'
import type { UnsupportedParams } from './request-options.ts'
import type { ToolNames } from './tool-names.ts'

export interface PreparedTools {
  readonly tools: GeminiTool[]
  readonly functionCallingConfig: Record<string, unknown> | undefined
  /** The model may cite sources: offsets in the answer have to be counted. */
  readonly grounded: boolean
}

/** Hosted tools, by every spelling in use: the API's own, snake case, and OpenAI's tool types. */
const hosted: Readonly<Record<string, string>> = {
  googleSearch: 'googleSearch',
  google_search: 'googleSearch',
  web_search: 'googleSearch',
  web_search_preview: 'googleSearch',
  googleSearchRetrieval: 'googleSearchRetrieval',
  google_search_retrieval: 'googleSearchRetrieval',
  enterpriseWebSearch: 'enterpriseWebSearch',
  enterprise_web_search: 'enterpriseWebSearch',
  codeExecution: 'codeExecution',
  code_execution: 'codeExecution',
  code_interpreter: 'codeExecution',
  urlContext: 'urlContext',
  url_context: 'urlContext',
  googleMaps: 'googleMaps',
  google_maps: 'googleMaps',
  fileSearch: 'fileSearch',
  file_search: 'fileSearch',
  computerUse: 'computerUse',
  computer_use: 'computerUse',
  retrieval: 'retrieval',
  mcpServers: 'mcpServers',
  mcp_servers: 'mcpServers',
}

export function prepareTools(request: ChatRequest, names: ToolNames, unsupported: UnsupportedParams): PreparedTools {
  const definitions: { definition: FunctionDefinition; param: string }[] = []
  const tools: GeminiTool[] = []
  const native: GeminiFunctionDeclaration[] = []
  const listed = Array.isArray(request.tools) ? request.tools : []
  for (const [index, tool] of listed.entries()) {
    const param = `tools[${index}]`
    const definition = functionOf(tool)
    if (definition !== undefined) definitions.push({ definition, param: `${param}.function` })
    else if (isRecord(tool) && Array.isArray(tool['functionDeclarations'])) native.push(...tool['functionDeclarations'])
    else if (!addHosted(tool, tools)) {
      const type = isRecord(tool) ? textOf(tool['type']) : typeof tool
      if (unsupported.meets(param, `Gemini has no tool of type '${type.slice(0, 64)}'.`)) tools.push(tool as GeminiTool)
    }
  }
  const functions = Array.isArray(request.functions) ? request.functions : []
  for (const [index, definition] of functions.entries()) {
    if (isRecord(definition))
      definitions.push({ definition: definition as FunctionDefinition, param: `functions[${index}]` })
  }
  if (isRecord(request.web_search_options) && !tools.some(tool => 'googleSearch' in tool))
    tools.push({ googleSearch: {} })

  names.reserve(definitions.map(({ definition }) => textOf(definition.name)))
  const declarations = definitions.map(({ definition, param }) => declare(definition, param, names))
  declarations.push(...native)
  // The API takes one group of declarations; every hosted tool is an entry of its own.
  if (declarations.length > 0) tools.unshift({ functionDeclarations: declarations })
  if (request.parallel_tool_calls === false && declarations.length > 1) {
    unsupported.meets('parallel_tool_calls', 'Gemini cannot be kept from calling several tools at once.')
  }
  return {
    tools,
    functionCallingConfig: declarations.length > 0 ? toolChoice(choiceOf(request), names) : undefined,
    grounded: tools.some(tool => !('functionDeclarations' in tool) && !('codeExecution' in tool)),
  }
}

/** `{ type: 'function', function: {…} }`, or the same with the fields beside `type` as the Responses API has them. */
function functionOf(tool: Tool): FunctionDefinition | undefined {
  if (!isRecord(tool)) return undefined
  if (isRecord(tool['function'])) return tool['function'] as FunctionDefinition
  return tool['type'] === 'function' && typeof tool['name'] === 'string'
    ? (tool as unknown as FunctionDefinition)
    : undefined
}

function addHosted(tool: unknown, tools: GeminiTool[]): boolean {
  if (!isRecord(tool)) return false
  let found = false
  for (const key of Object.keys(tool)) {
    const name = Object.hasOwn(hosted, key) ? hosted[key] : undefined
    if (name === undefined) continue
    tools.push({ [name]: isRecord(tool[key]) || Array.isArray(tool[key]) ? tool[key] : {} })
    found = true
  }
  if (found) return true
  // OpenAI and Anthropic date their tool types: web_search_20250305, web_search_preview_2025_03_11.
  const type = typeof tool['type'] === 'string' ? tool['type'].replace(/_\d{4}_?\d{2}_?\d{2}$/, '') : ''
  const name = Object.hasOwn(hosted, type) ? hosted[type] : undefined
  if (name === undefined) return false
  tools.push({ [name]: {} })
  return true
}

function declare(definition: FunctionDefinition, param: string, names: ToolNames): GeminiFunctionDeclaration {
  if (typeof definition.name !== 'string' || definition.name === '') {
    throw new GatewayError('missing_field', `${param} has no name.`, { param: `${param}.name` })
  }
  const declaration: GeminiFunctionDeclaration = { name: names.toWire(definition.name) }
  if (typeof definition.description === 'string') declaration.description = definition.description
  if (isRecord(definition.parameters)) {
    const schema =
      'type' in definition.parameters ? definition.parameters : { type: 'object', ...definition.parameters }
    const parameters = convertSchema(schema, { param: `${param}.parameters` })
    // A function without arguments has no `parameters` at all; an empty object is refused by older models.
    if (parameters.type !== 'OBJECT' || parameters.properties !== undefined) declaration.parameters = parameters
  }
  return declaration
}

function choiceOf(request: ChatRequest): ToolChoice | undefined {
  if (request.tool_choice !== undefined && request.tool_choice !== null) return request.tool_choice
  const legacy = request.function_call
  if (typeof legacy === 'string') return legacy
  return isRecord(legacy) && typeof legacy['name'] === 'string'
    ? { type: 'function', function: { name: legacy['name'] } }
    : undefined
}

function toolChoice(choice: ToolChoice | undefined, names: ToolNames): Record<string, unknown> | undefined {
  if (choice === undefined) return undefined
  const word = typeof choice === 'string' ? choice : isRecord(choice) ? choice.type : undefined
  if (word === 'none') return { mode: 'NONE' }
  if (word === 'auto') return { mode: 'AUTO' }
  if (word === 'required' || word === 'any') return { mode: 'ANY' }
  if (!isRecord(choice)) return invalidChoice()
  if (word === 'allowed_tools') return allowedTools(choice, names)
  const named = isRecord(choice['function']) ? choice['function']['name'] : choice['name']
  if (typeof named !== 'string') return invalidChoice()
  return { mode: 'ANY', allowedFunctionNames: [names.toWire(named)] }
}

/** OpenAI's `allowed_tools`: a choice among some of the declared tools, which stay in the prompt cache. */
function allowedTools(choice: Record<string, unknown>, names: ToolNames): Record<string, unknown> {
  const allowed = isRecord(choice['allowed_tools']) ? choice['allowed_tools'] : choice
  const listed: string[] = []
  for (const tool of Array.isArray(allowed['tools']) ? allowed['tools'] : []) {
    const definition = isRecord(tool) ? (isRecord(tool['function']) ? tool['function'] : tool) : undefined
    if (definition !== undefined && typeof definition['name'] === 'string')
      listed.push(names.toWire(definition['name']))
  }
  if (listed.length === 0) return invalidChoice()
  return { mode: allowed['mode'] === 'required' ? 'ANY' : 'VALIDATED', allowedFunctionNames: listed }
}

function invalidChoice(): never {
  throw new GatewayError(
    'invalid_request',
    "tool_choice must be 'none', 'auto', 'required' or { type: 'function', function: { name } }.",
    { param: 'tool_choice' },
  )
}
