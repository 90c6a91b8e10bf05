import { createHash } from 'node:crypto'
import type { Operation } from '../wire.ts'
import { BodyEdit } from './body-edit.ts'
import { applyFamily } from './model-family.ts'
import type { Plan } from './plan.ts'
import { prepareMessages } from './prepare-messages.ts'
import { prepareReasoning } from './prepare-reasoning.ts'
import { prepareTools } from './prepare-tools.ts'
import { isGatewayField, openaiFields, structuralFields } from './request-fields.ts'

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The forced tool that stands in for `response_format` where JSON schemas are not known. */
export const jsonToolName = 'json_tool_call'

export interface Prepared {
  readonly edit: BodyEdit
  /** Usage events were asked for on the gateway's own account. */
  readonly stripUsage: boolean
  /** Sent without `stream`; the whole answer is replayed. */
  readonly fakeStream: boolean
  /** The answer's `json_tool_call` arguments are its content. */
  readonly jsonTool: boolean
}

/**
 * Works out what a request needs changed to reach its target.
 * @param text the body as received; undefined when the request was translated and is serialised anyway
 * @throws GatewayError `unsupported_params`
 */
export function prepare(operation: Operation, json: Json, text: string | undefined, plan: Plan): Prepared {
  const edit = new BodyEdit(json)
  let extra: Json | undefined
  for (const key in json) {
    if (openaiFields.has(key)) continue
    if (key === 'extra_body') {
      if (isObject(json[key])) extra = json[key]
      edit.remove(key)
    } else if (isGatewayField(key)) edit.remove(key)
  }
  if (extra !== undefined) {
    for (const [key, value] of Object.entries(extra)) if (!edit.has(key) && !isGatewayField(key)) edit.set(key, value)
  }
  for (const [key, value] of plan.defaults) if (!callerGave(edit, key)) edit.set(key, value)
  if (json['model'] !== plan.model) edit.set('model', plan.model)
  for (const path of plan.target.additionalDropParams) edit.dropPath(path)
  if (Array.isArray(json['additional_drop_params'])) {
    for (const path of json['additional_drop_params']) if (typeof path === 'string') edit.dropPath(path)
  }
  if (edit.has('metadata')) prepareMetadata(edit, plan)
  if (plan.quirks.openaiFamilies === true) shortenUser(edit)

  let jsonTool = false
  let fakeStream = false
  if (operation === 'chat') {
    const may = permissions(json, plan)
    for (const key in plan.quirks.extraBody) if (!edit.has(key)) edit.set(key, plan.quirks.extraBody[key])
    prepareReasoning(edit, plan)
    prepareParams(edit, plan, may)
    applyFamily(edit, { family: plan.family, capabilities: plan.target.capabilities, may })
    jsonTool = prepareResponseFormat(edit, plan)
    if (edit.has('tool_choice')) prepareToolChoice(edit, plan, may)
    edit.check(plan.vendorId, plan.model)
    const foreign = mayHoldForeign(text, json['messages'], plan)
    if (foreign || plan.alwaysEditMessages) {
      const messages = edit.get('messages')
      if (Array.isArray(messages)) {
        const next = prepareMessages(messages, plan)
        if (next !== messages) edit.set('messages', next)
      }
    }
    if (foreign || plan.alwaysEditTools) {
      const tools = edit.get('tools')
      if (Array.isArray(tools)) {
        const next = prepareTools(tools, plan)
        if (next !== tools) setTools(edit, next)
      }
    }
    fakeStream = edit.get('stream') === true && (plan.fakeStream || jsonTool || fakesForFormat(edit, plan))
    if (fakeStream) {
      edit.remove('stream')
      edit.remove('stream_options')
    }
  }
  const stripUsage = operation !== 'embeddings' && !fakeStream && askForUsage(edit, plan)
  return { edit, stripUsage, fakeStream, jsonTool }
}

/** Two spellings of one wish: the caller's own wins over a default under the other name. */
const aliases: Readonly<Record<string, string>> = {
  max_tokens: 'max_completion_tokens',
  max_completion_tokens: 'max_tokens',
  thinking: 'reasoning_effort',
  reasoning_effort: 'thinking',
}

function callerGave(edit: BodyEdit, key: string): boolean {
  if (edit.has(key)) return true
  const alias = aliases[key]
  return alias !== undefined && edit.has(alias)
}

function permissions(json: Json, plan: Plan): Plan['may'] {
  const own = json['allowed_openai_params']
  if (json['drop_params'] === undefined && own === undefined) return plan.may
  const allowed = Array.isArray(own) ? own.filter(name => typeof name === 'string') : []
  return {
    drop: typeof json['drop_params'] === 'boolean' ? json['drop_params'] : plan.may.drop,
    allowed: [...plan.may.allowed, ...allowed],
  }
}

/**
 * LiteLLM callers put gateway data into `metadata`, so it stays at home, except where the vendor stores completions
 * under it: `store: true` and string values only, as OpenAI's reference demands.
 */
function prepareMetadata(edit: BodyEdit, { quirks }: Plan): void {
  if (quirks.metadata === 'keep') return
  const metadata = edit.get('metadata')
  const stored = quirks.metadata === 'stored' && edit.get('store') === true && isObject(metadata)
  if (!stored || Object.values(metadata).some(value => typeof value !== 'string')) edit.remove('metadata')
}

/** OpenAI: "Invalid 'user': string too long. Expected a string with maximum length 64". Claude Code's ids are longer. */
function shortenUser(edit: BodyEdit): void {
  const user = edit.get('user')
  // The same user stays the same hash: 64 hexadecimal digits.
  if (typeof user === 'string' && user.length > 64) edit.set('user', createHash('sha256').update(user).digest('hex'))
}

function prepareParams(edit: BodyEdit, plan: Plan, may: Plan['may']): void {
  const { quirks, model } = plan
  for (const from in quirks.renameParams) edit.rename(from, quirks.renameParams[from] ?? from)
  const refuse = (key: string) => {
    const value = edit.get(key)
    if (value !== undefined && value !== null) edit.unsupported(key, may)
  }
  for (const key of plan.unsupportedParams) refuse(key)
  if (quirks.supportedParams !== undefined) {
    for (const key of edit.keys()) {
      if (openaiFields.has(key) && !structuralFields.has(key) && !quirks.supportedParams.includes(key)) refuse(key)
    }
  }
  for (const rule of quirks.unsupportedByModel ?? []) if (model.includes(rule.model)) rule.params.forEach(refuse)
  if (quirks.temperatureMax !== undefined) {
    const temperature = edit.get('temperature')
    if (typeof temperature === 'number' && temperature > quirks.temperatureMax)
      edit.set('temperature', quirks.temperatureMax)
  }
  if (!plan.effortWithTools && Array.isArray(edit.get('tools'))) edit.drop('reasoning_effort')
}

/** Returns true when a forced tool took the place of the format. */
function prepareResponseFormat(edit: BodyEdit, plan: Plan): boolean {
  const format = edit.get('response_format')
  if (!isObject(format) || format['type'] !== 'json_schema') return false
  const wanted = isObject(format['json_schema']) ? format['json_schema'] : {}
  if (plan.quirks.responseFormat === 'json_object_schema') {
    edit.set('response_format', { type: 'json_object', schema: wanted['schema'] })
    return false
  }
  if (plan.jsonSchema) return false
  const tools = edit.get('tools')
  const tool = {
    type: 'function',
    function: {
      name: jsonToolName,
      description: wanted['description'],
      parameters: wanted['schema'] ?? { type: 'object' },
    },
  }
  edit.remove('response_format')
  edit.set('tools', [...(Array.isArray(tools) ? tools : []), tool])
  // With tools of the caller's own the model must stay free to use them first.
  const others = Array.isArray(tools) && tools.length > 0
  edit.set('tool_choice', others ? 'required' : { type: 'function', function: { name: jsonToolName } })
  return true
}

function prepareToolChoice(edit: BodyEdit, plan: Plan, may: Plan['may']): void {
  const choice = edit.get('tool_choice')
  if (choice === undefined || choice === null) return
  const required = choice === 'required' || choice === 'any'
  const rule = plan.toolChoice === 'no-required' ? 'unsupported' : plan.quirks.toolChoiceRequired
  if (plan.toolChoice === 'none') edit.unsupported('tool_choice', may)
  else if (rule === 'any' && required) edit.set('tool_choice', 'any')
  else if (rule === 'unsupported' && (required || (isObject(choice) && plan.toolChoice === 'all')))
    edit.unsupported('tool_choice', may)
  else if (rule === 'ask' && (required || isObject(choice))) askForTool(edit, choice)
  else if (choice === 'any') edit.set('tool_choice', 'required')
}

/** For vendors without a forced choice: the wish goes into the conversation. */
function askForTool(edit: BodyEdit, choice: unknown): void {
  const messages = edit.get('messages')
  edit.remove('tool_choice')
  if (!Array.isArray(messages)) return
  const name = isObject(choice) && isObject(choice['function']) ? choice['function']['name'] : undefined
  const content =
    typeof name === 'string' ? `Answer by calling the tool ${name}.` : 'Answer by calling one of the tools.'
  edit.set('messages', [...messages, { role: 'user', content }])
}

function setTools(edit: BodyEdit, tools: readonly unknown[]): void {
  if (tools.length > 0) edit.set('tools', tools)
  else for (const key of ['tools', 'tool_choice', 'parallel_tool_calls']) edit.drop(key)
}

/**
 * Bodies too long to search cheaply are walked instead: the walk's cost follows the number of messages, the search's
 * the number of bytes. So are bodies of few long messages: 1 KB in two messages takes 1.3 µs to search, 0.1 to walk.
 */
const searchLimit = 64 * 1024
const charactersPerMessage = 200

function mayHoldForeign(text: string | undefined, messages: unknown, { markers }: Plan): boolean {
  if (text === undefined || text.length > searchLimit) return true
  if (Array.isArray(messages) && messages.length * charactersPerMessage < text.length) return true
  for (const marker of markers) if (text.includes(marker)) return true
  return false
}

function fakesForFormat(edit: BodyEdit, { quirks }: Plan): boolean {
  if (quirks.fakeStreamWithResponseFormat !== true) return false
  const format = edit.get('response_format')
  return isObject(format) && format['type'] !== 'text'
}

/** Returns true when usage events were added that the caller did not ask for. */
function askForUsage(edit: BodyEdit, plan: Plan): boolean {
  if (edit.get('stream') !== true) return false
  const options = edit.get('stream_options')
  if (!plan.streamUsage) {
    edit.remove('stream_options')
    return false
  }
  if (isObject(options) && options['include_usage'] === true) return false
  edit.set('stream_options', isObject(options) ? { ...options, include_usage: true } : { include_usage: true })
  return true
}
