/** Hub chat request → Anthropic Messages request. */
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest, ThinkingParam } from '../openai/types.ts'
import { convertMessages, type Turn } from './convert-messages.ts'
import { ParamPolicy, type ParamRules } from './param-policy.ts'
import { prepareTools } from './prepare-tools.ts'
import { defaultBudgets, effortWord, type Reasoning, reasoningOf, type ThinkingBudgets } from './reasoning.ts'
import { hasToolBlocks, lacksThinking, limitBreakpoints, repairTurns } from './repair-turns.ts'
import { type JsonTool, jsonToolChoice, structuredOutput } from './response-format.ts'
import { encodeSampling, encodeServiceTier, encodeStop, encodeUser, maxTokensOf, refuseUnknown } from './sampling.ts'
import { convertToolChoice, forbidParallel, narrowTools } from './tool-choice.ts'
import type { ToolNames } from './tool-names.ts'
import { isObject, type MessageParam, type MessagesRequest } from './types.ts'

/** What the encoder has to know of the model; a provider's `Target` fits. */
export interface EncodeOptions extends ParamRules {
  readonly model: string
  readonly capabilities: {
    readonly maxOutputTokens?: number
    readonly nativeStructuredOutput?: boolean
    readonly reasoning?: boolean
    readonly adaptiveThinking?: boolean
    readonly thinkingAlwaysOn?: boolean
    readonly efforts?: readonly string[]
    readonly effortLevels?: readonly string[]
    /** False: temperature, top_p and top_k are refused. */
    readonly samplingParams?: boolean
    readonly assistantPrefill?: boolean
  }
  readonly modifyParams: boolean
  readonly budgets?: ThinkingBudgets
}

export interface EncodedRequest {
  readonly body: MessagesRequest
  readonly betas: readonly string[]
  readonly droppedParams: readonly string[]
  readonly reply: ReplyContext
}

/** What reading the answer needs to know of the request. */
export interface ReplyContext {
  readonly names: ToolNames
  readonly json: JsonTool | undefined
  /** The caller used the legacy `functions` field and expects `function_call` back. */
  readonly legacyFunctions: boolean
}

/** Output limit where neither the caller nor the model's entry gives one; the field is mandatory. */
const defaultMaxTokens = 4096

/** Hub fields that are translated or belong to the gateway; every other key goes to the vendor as it is. */
const handled: ReadonlySet<string> = new Set([
  ...['model', 'messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'temperature', 'top_p'],
  ...['top_k', 'n', 'stop', 'seed', 'frequency_penalty', 'presence_penalty', 'logit_bias', 'logprobs', 'top_logprobs'],
  ...['user', 'safety_identifier', 'metadata', 'tools', 'tool_choice', 'parallel_tool_calls', 'functions'],
  ...['function_call', 'response_format', 'reasoning_effort', 'thinking', 'output_config', 'modalities', 'audio'],
  ...['prediction', 'web_search_options', 'service_tier', 'verbosity', 'store', 'prompt_cache_key'],
  ...['prompt_cache_retention', 'mcp_servers', 'context_management', 'anthropic_beta', 'extra_body', 'extra_headers'],
])

export function encodeRequest(given: ChatRequest, options: EncodeOptions): EncodedRequest {
  const policy = new ParamPolicy(options, 'Anthropic')
  const request = options.additionalDropParams.length > 0 ? policy.strip(given) : given
  const betas = new Set<string>()
  const body: MessagesRequest = { model: options.model, max_tokens: 0, messages: [] }

  const {
    tools: ownTools,
    mcpServers,
    names,
  } = prepareTools(request, options.capabilities.nativeStructuredOutput === true, policy, betas)
  const { system, turns: converted } = convertMessages(request.messages, names, betas)
  const turns = options.modifyParams
    ? repairTurns(converted, options.capabilities.assistantPrefill !== false)
    : converted
  if (turns.length === 0) {
    throw new GatewayError(
      'invalid_request',
      'messages must hold at least one user message for Anthropic (set modify_params to add a placeholder).',
      { param: 'messages' },
    )
  }

  const reasoning = reasoningFor(request, options, policy)
  let thinking = reasoning.thinking
  if (options.modifyParams && thinks(thinking) && lacksThinking(turns)) thinking = undefined

  const output = structuredOutput(request, options.capabilities.nativeStructuredOutput === true, names)
  const json = output?.kind === 'tool' ? output.json : undefined
  const tools = narrowTools(request, ownTools, names)
  const hasOwnTools = tools.length > 0
  let choice = convertToolChoice(request, names)
  if (json !== undefined) {
    tools.push(json.tool)
    choice = jsonToolChoice(
      choice,
      json,
      hasOwnTools,
      thinks(thinking) || options.capabilities.thinkingAlwaysOn === true,
    )
  }
  if (options.modifyParams) {
    if (tools.length === 0 && hasToolBlocks(turns)) tools.push(dummyTool)
    // A model cannot think and be forced to call a tool in the same turn.
    if (choice?.type === 'any' || choice?.type === 'tool') thinking = thinks(thinking) ? undefined : thinking
    limitBreakpoints([...tools, ...system], turns)
  }
  const legacyFunctions = request.tools == null && request.functions != null
  if (request.parallel_tool_calls === false || legacyFunctions) choice = forbidParallel(choice)

  if (system.length > 0) body.system = system
  body.messages = turns.map(messageOf)
  if (tools.length > 0) {
    body.tools = tools
    // Without tools the vendor refuses any choice, even `none`.
    if (choice !== undefined) body.tool_choice = choice
  }
  if (thinking !== undefined) body.thinking = thinking
  encodeOutputConfig(request, reasoning.effort, output?.kind === 'native' ? output.format : undefined, body)
  body.max_tokens = maxTokens(request, thinking, options)
  if (request.stream === true) body.stream = true
  encodeSampling(request, thinks(thinking), options.capabilities.samplingParams !== false, body, policy)
  encodeStop(request, body, policy)
  encodeUser(request, body)
  encodeServiceTier(request, body, policy)
  refuseUnknown(request, body, policy)
  encodeExtensions(request, mcpServers, body, betas)
  return { body, betas: [...betas], droppedParams: policy.dropped, reply: { names, json, legacyFunctions } }
}

const dummyTool = {
  name: 'unavailable_tool',
  description: 'Placeholder: the tools of the earlier conversation are no longer available. Do not call it.',
  input_schema: { type: 'object', properties: {} },
}

const thinks = (thinking: ThinkingParam | undefined): boolean => thinking !== undefined && thinking.type !== 'disabled'

function reasoningFor(request: ChatRequest, options: EncodeOptions, policy: ParamPolicy): Reasoning {
  const explicit: unknown = request.thinking
  if (explicit !== null && explicit !== undefined) {
    if (!isObject(explicit) || typeof explicit['type'] !== 'string') {
      throw new GatewayError('invalid_request', 'thinking must be an object with a type.', { param: 'thinking' })
    }
    return { thinking: explicit as ThinkingParam, effort: undefined }
  }
  const word = effortWord(request.reasoning_effort)
  if (word === undefined) return { thinking: undefined, effort: undefined }
  const { capabilities, model } = options
  if (capabilities.reasoning === false && word !== 'none' && !policy.allowed('reasoning_effort')) {
    policy.refuse('reasoning_effort', 'is not supported: this model does not think, so the field is refused')
    return { thinking: undefined, effort: undefined }
  }
  const reasoning = reasoningOf(word, model, capabilities, options.budgets ?? defaultBudgets)
  if (reasoning !== undefined) return reasoning
  policy.refuse('reasoning_effort', `"${word}" is not supported for this model`)
  return { thinking: undefined, effort: undefined }
}

/**
 * The mandatory length limit. A thinking budget comes out of it, so it is raised above a budget that we chose or that
 * would swallow our default; a caller who gave both numbers gets the vendor's answer to them.
 */
function maxTokens(request: ChatRequest, thinking: ThinkingParam | undefined, options: EncodeOptions): number {
  const given = maxTokensOf(request)
  const ceiling = options.capabilities.maxOutputTokens
  const limit = given ?? ceiling ?? defaultMaxTokens
  const budget = thinking?.type === 'enabled' ? thinking.budget_tokens : undefined
  if (typeof budget !== 'number' || budget < limit) return limit
  if (given !== undefined && request.thinking != null) return limit
  const raised = budget + limit
  return ceiling !== undefined && ceiling > budget ? Math.min(raised, ceiling) : raised
}

function messageOf(turn: Turn): MessageParam {
  const content = turn.results.length > 0 ? [...turn.results, ...turn.blocks] : turn.blocks
  return { role: turn.role, content: content.length === 0 ? (turn.blank ?? '') : content }
}

function encodeOutputConfig(
  request: ChatRequest,
  effort: string | undefined,
  format: NonNullable<MessagesRequest['output_config']>['format'] | undefined,
  body: MessagesRequest,
): void {
  const given = request['output_config']
  if (effort === undefined && format === undefined && !isObject(given)) return
  body.output_config = {
    ...(effort === undefined ? {} : { effort }),
    ...(format === undefined ? {} : { format }),
    ...(isObject(given) ? given : {}),
  }
}

/** Anthropic's own request fields, with the beta each needs, then unknown keys and `extra_body`, which wins. */
function encodeExtensions(
  request: ChatRequest,
  mcpServers: Record<string, unknown>[],
  body: MessagesRequest,
  betas: Set<string>,
): void {
  const given: unknown = request['mcp_servers']
  if (Array.isArray(given) && given.length > 0) {
    body['mcp_servers'] = [...given, ...mcpServers]
    if (!betas.has('mcp-client-2025-11-20')) betas.add('mcp-client-2025-04-04')
  } else if (mcpServers.length > 0) {
    body['mcp_servers'] = mcpServers
  }
  encodeContextManagement(request['context_management'], body, betas)
  for (const key in request) if (!handled.has(key) && request[key] !== undefined) body[key] = request[key]
  if (body['speed'] === 'fast') betas.add('fast-mode-2026-02-01')
  if (isObject(body['container']) && body['container']['skills'] != null) betas.add('skills-2025-10-02')
  const requested = request['anthropic_beta']
  if (Array.isArray(requested)) for (const beta of requested) if (typeof beta === 'string') betas.add(beta)
  const extra = request['extra_body']
  if (!isObject(extra)) return
  // The model was authorised and the stream was decided before: neither is the caller's to change here.
  for (const key in extra) if (key !== 'model' && key !== 'stream') body[key] = extra[key]
}

/** Anthropic's `{edits}`, or OpenAI's list of `{type: "compaction", compact_threshold}` entries. */
function encodeContextManagement(given: unknown, body: MessagesRequest, betas: Set<string>): void {
  if (given === null || given === undefined) return
  const edits: unknown[] = []
  for (const entry of Array.isArray(given) ? (given as unknown[]) : []) {
    if (!isObject(entry) || entry['type'] !== 'compaction') continue
    const threshold = entry['compact_threshold']
    const trigger = typeof threshold === 'number' ? { trigger: { type: 'input_tokens', value: threshold } } : {}
    edits.push({ type: 'compact_20260112', ...trigger })
  }
  const management = Array.isArray(given) ? { edits } : given
  body['context_management'] = management
  const list = isObject(management) && Array.isArray(management['edits']) ? (management['edits'] as unknown[]) : []
  const compacts = list.filter(edit => isObject(edit) && edit['type'] === 'compact_20260112').length
  if (compacts > 0) betas.add('compact-2026-01-12')
  if (compacts < list.length) betas.add('context-management-2025-06-27')
}
