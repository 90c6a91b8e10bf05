import type { Conversation, OfferedTool } from '../plan.ts'
import { isJson, type Json } from '../types.ts'
import { allow, reject } from './rules.ts'

const namePattern = /^[a-zA-Z0-9_-]{1,64}$/

export interface CheckedTools {
  readonly offered: OfferedTool[]
  readonly choice: Conversation['toolChoice']
}

export function checkTools(body: Json): CheckedTools {
  const tools = body['tools']
  const offered: OfferedTool[] = []
  if (Array.isArray(tools)) {
    if (tools.length === 0) {
      reject(
        "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        'tools',
        'empty_array',
      )
    }
    tools.forEach((tool: unknown, index) => {
      const checked = checkTool(tool, `tools[${index}]`)
      if (checked !== undefined) offered.push(checked)
    })
  }
  if (Array.isArray(body['functions'])) {
    for (const fn of body['functions'].filter(isJson)) {
      offered.push({ name: String(fn['name']), schema: fn['parameters'] })
    }
  }
  const hasTools = Array.isArray(tools)
  if (!hasTools && body['tool_choice'] != null) {
    reject("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", 'tool_choice')
  }
  if (!hasTools && body['parallel_tool_calls'] != null) {
    reject(
      "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
      'parallel_tool_calls',
    )
  }
  return { offered, choice: checkChoice(body['tool_choice'], offered) }
}

function checkTool(tool: unknown, path: string): OfferedTool | undefined {
  if (!isJson(tool)) reject(`Invalid type for '${path}': expected an object.`, path, 'invalid_type')
  if (tool['type'] === 'custom') return undefined
  if (tool['type'] !== 'function') {
    reject(
      `Invalid value: '${String(tool['type'])}'. Supported values are: 'function' and 'custom'.`,
      `${path}.type`,
      'invalid_value',
    )
  }
  allow(tool, ['type', 'function'], path)
  const fn = tool['function']
  if (!isJson(fn)) reject(`Missing required parameter: '${path}.function'.`, path, 'missing_required_parameter')
  allow(fn, ['name', 'description', 'parameters', 'strict'], `${path}.function`)
  const name = fn['name']
  if (typeof name !== 'string' || !namePattern.test(name)) {
    reject(
      `Invalid '${path}.function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`,
      `${path}.function.name`,
      'invalid_value',
    )
  }
  const schema = fn['parameters']
  if (schema !== undefined && schema !== null) {
    const type = isJson(schema) ? schema['type'] : undefined
    if (type !== 'object' && !(isJson(schema) && Object.keys(schema).length === 0)) {
      reject(
        `Invalid schema for function '${name}': schema must be a JSON Schema of 'type: "object"', got 'type: "${String(type)}"'.`,
        `${path}.function.parameters`,
        'invalid_function_parameters',
      )
    }
    if (fn['strict'] === true) checkStrict(schema, `function '${name}'`, 'invalid_function_parameters')
  }
  return { name, schema: schema ?? { type: 'object' } }
}

function checkChoice(choice: unknown, offered: OfferedTool[]): Conversation['toolChoice'] {
  if (choice === undefined || choice === null || choice === 'auto') return { mode: 'auto' }
  if (choice === 'none') return { mode: 'none' }
  if (choice === 'required') return { mode: 'force' }
  if (isJson(choice) && choice['type'] === 'function' && isJson(choice['function'])) {
    const { name } = choice['function']
    if (typeof name !== 'string') reject("Invalid type for 'tool_choice.function.name'.", 'tool_choice')
    if (!offered.some(tool => tool.name === name)) {
      reject(
        `Invalid value for 'tool_choice': no function named '${name}' was specified in the 'tools' parameter.`,
        'tool_choice',
      )
    }
    return { mode: 'force', names: [name] }
  }
  if (isJson(choice) && choice['type'] === 'allowed_tools') return { mode: 'auto' }
  reject(
    `Invalid value: '${typeof choice === 'string' ? choice : JSON.stringify(choice)}'. Supported values are: 'none', 'auto', and 'required'.`,
    'tool_choice',
    'invalid_value',
  )
}

/** What the answer has to be: a schema, any JSON object, or text. */
export function checkFormat(body: Json): Json | true | undefined {
  const format = body['response_format']
  if (!isJson(format) || format['type'] === 'text') return undefined
  if (format['type'] === 'json_object') {
    allow(format, ['type'], 'response_format')
    if (!/json/i.test(JSON.stringify(body['messages']))) {
      reject(
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        'messages',
      )
    }
    return true
  }
  if (format['type'] !== 'json_schema') {
    reject(
      `Invalid value: '${String(format['type'])}'. Supported values are: 'json_object', 'json_schema', and 'text'.`,
      'response_format.type',
      'invalid_value',
    )
  }
  allow(format, ['type', 'json_schema'], 'response_format')
  const wrapper = format['json_schema']
  if (!isJson(wrapper) || typeof wrapper['name'] !== 'string') {
    reject(
      "Missing required parameter: 'response_format.json_schema.name'.",
      'response_format',
      'missing_required_parameter',
    )
  }
  allow(wrapper, ['name', 'description', 'schema', 'strict'], 'response_format.json_schema')
  const schema = isJson(wrapper['schema']) ? wrapper['schema'] : {}
  if (wrapper['strict'] === true) checkStrict(schema, `response_format '${wrapper['name']}'`, null)
  return schema
}

/** Strict mode: every object closed, every property required (structured-outputs guide). */
function checkStrict(schema: unknown, where: string, code: string | null, context: string[] = []): void {
  if (!isJson(schema)) return
  const place = `In context=(${context.map(entry => `'${entry}'`).join(', ')})`
  if (isJson(schema['properties'])) {
    if (schema['additionalProperties'] !== false) {
      reject(
        `Invalid schema for ${where}: ${place}, 'additionalProperties' is required to be supplied and to be false.`,
        'response_format',
        code,
      )
    }
    const required = Array.isArray(schema['required']) ? schema['required'] : []
    for (const [name, property] of Object.entries(schema['properties'])) {
      if (!required.includes(name)) {
        reject(
          `Invalid schema for ${where}: ${place}, 'required' is required to be supplied and to be an array including every key in properties. Missing '${name}'.`,
          'response_format',
          code,
        )
      }
      checkStrict(property, where, code, [...context, 'properties', name])
    }
  }
  checkStrict(schema['items'], where, code, [...context, 'items'])
  for (const key of ['$defs', 'definitions']) {
    const definitions = schema[key]
    if (!isJson(definitions)) continue
    for (const [name, entry] of Object.entries(definitions)) checkStrict(entry, where, code, [...context, key, name])
  }
}
