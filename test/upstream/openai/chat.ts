import { type Conversation, countWords, cut, makePlan, type Plan, wordsIn } from '../plan.ts'
import { type Frame, isJson, type Json, type Reply, type WireCall } from '../types.ts'
import { checkMessages } from './messages.ts'
import { checkCombinations, checkFamily, checkParameters, familyOf } from './rules.ts'
import { checkFormat, checkTools } from './tools.ts'

/** Members that Azure adds to the same answer. */
export interface ChatExtras {
  readonly response: Json
  readonly choice: Json
  readonly firstChunk: Json | undefined
}

export const noExtras: ChatExtras = { response: {}, choice: {}, firstChunk: undefined }
const created = 1_735_689_600

export function answerChat(call: WireCall, headers: Record<string, string>, extras: ChatExtras): Reply {
  const { body, fault } = call
  checkParameters(body, 'chat')
  const family = familyOf(call.model)
  const messages = checkMessages(body['messages'], family.like)
  checkFamily(body, family)
  checkCombinations(body)
  const tools = checkTools(body)
  const json = checkFormat(body)
  const effort = body['reasoning_effort']
  const think = typeof effort === 'string' && effort !== 'none'
  const conversation: Conversation = {
    lastUserText: lastUserText(messages),
    toolResults: trailingToolResults(messages),
    tools: tools.offered,
    toolChoice: tools.choice,
    parallel: body['parallel_tool_calls'] !== false,
    json,
    think,
    maxTokens: numberOf(body['max_tokens']) ?? numberOf(body['max_completion_tokens']),
    stops: [body['stop'] ?? []].flat().filter(entry => typeof entry === 'string'),
  }
  const plan = makePlan(conversation, fault)
  const count = numberOf(body['n']) ?? 1
  const shape: AnswerShape = {
    id: call.memory.nextId('chatcmpl-'),
    model: call.model,
    plan,
    count,
    showReasoning: family.like && think,
    logprobs: body['logprobs'] === true,
    topLogprobs: numberOf(body['top_logprobs']) ?? 0,
    includeUsage: isJson(body['stream_options']) && body['stream_options']['include_usage'] === true,
    legacyFunctions: Array.isArray(body['functions']),
    promptTokens: wordsIn(messages),
    call,
    extras,
  }
  if (body['stream'] === true) {
    return { kind: 'stream', headers, contentType: 'text/event-stream; charset=utf-8', frames: chatFrames(shape) }
  }
  return { kind: 'json', status: 200, headers, body: chatBody(shape) }
}

interface AnswerShape {
  readonly id: string
  readonly model: string
  readonly plan: Plan
  readonly count: number
  readonly showReasoning: boolean
  readonly logprobs: boolean
  readonly topLogprobs: number
  readonly includeUsage: boolean
  readonly legacyFunctions: boolean
  readonly promptTokens: number
  readonly call: WireCall
  readonly extras: ChatExtras
}

function chatBody(shape: AnswerShape): Json {
  const choices = Array.from({ length: shape.count }, (_, index) => ({
    index,
    message: message(shape, index),
    logprobs: shape.logprobs
      ? { content: piecesFor(shape, index).map(piece => logprob(piece, shape)), refusal: null }
      : null,
    finish_reason: finishReason(shape),
    ...shape.extras.choice,
  }))
  return {
    id: shape.id,
    object: 'chat.completion',
    created,
    model: shape.model,
    choices,
    ...(shape.call.fault.no_usage === true ? {} : { usage: usage(shape) }),
    service_tier: 'default',
    system_fingerprint: 'fp_upstream',
    ...shape.extras.response,
  }
}

function message(shape: AnswerShape, index: number): Json {
  const { plan } = shape
  const result: Json = {
    role: 'assistant',
    content: plan.calls.length > 0 ? null : piecesFor(shape, index).join(''),
    refusal: null,
    annotations: [],
  }
  if (shape.showReasoning) result['reasoning_content'] = plan.reasoning
  if (plan.calls.length > 0 && shape.legacyFunctions) {
    const call = plan.calls[0]
    result['function_call'] = { name: call?.name, arguments: JSON.stringify(call?.args) }
  } else if (plan.calls.length > 0) {
    result['tool_calls'] = plan.calls.map(call => ({
      id: shape.call.memory.nextId('call_'),
      type: 'function',
      function: { name: call.name, arguments: JSON.stringify(call.args) },
    }))
  }
  return result
}

/** Second and further choices say their number, so a mixed-up index shows. */
function piecesFor(shape: AnswerShape, index: number): readonly string[] {
  return index === 0 || shape.plan.calls.length > 0 ? shape.plan.pieces : [...shape.plan.pieces, ` (${index + 1})`]
}

function finishReason(shape: AnswerShape): string {
  switch (shape.plan.finish) {
    case 'tool':
      return shape.legacyFunctions ? 'function_call' : 'tool_calls'
    case 'length':
      return 'length'
    case 'filter':
      return 'content_filter'
    default:
      return 'stop'
  }
}

function logprob(piece: string, shape: AnswerShape): Json {
  const entry = { token: piece, logprob: -0.1, bytes: [...Buffer.from(piece)] }
  return { ...entry, top_logprobs: Array.from({ length: shape.topLogprobs }, () => entry) }
}

function usage(shape: AnswerShape, outputSoFar?: number): Json {
  const { plan, call } = shape
  const completion = outputSoFar ?? (plan.outputTokens + plan.reasoningTokens) * shape.count
  return {
    prompt_tokens: shape.promptTokens,
    completion_tokens: completion,
    total_tokens: shape.promptTokens + completion,
    prompt_tokens_details: { cached_tokens: Math.min(call.fault.cached ?? 0, shape.promptTokens), audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: plan.reasoningTokens * shape.count,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

function chatFrames(shape: AnswerShape): Frame[] {
  const { plan } = shape
  const { fault, memory } = shape.call
  const frames: Frame[] = []
  let output = 0
  const base = {
    id: shape.id,
    object: 'chat.completion.chunk',
    created,
    model: shape.model,
    service_tier: 'default',
    system_fingerprint: 'fp_upstream',
  }
  const wantsUsage = shape.includeUsage && fault.no_usage !== true
  const push = (part: Frame['part'], choices: Json[], usageValue: unknown): void => {
    const chunk: Json = { ...base, choices }
    if (usageValue !== undefined) chunk['usage'] = usageValue
    frames.push({ part, text: `data: ${JSON.stringify(chunk)}\n\n` })
  }
  const running = (): unknown => {
    if (fault.usage_every === true) return usage(shape, output)
    return wantsUsage ? null : undefined
  }
  const emit = (
    part: Frame['part'],
    index: number,
    delta: Json,
    finish: string | null,
    logprobs: unknown = null,
  ): void => {
    push(part, [{ index, delta, logprobs, finish_reason: finish, ...shape.extras.choice }], running())
  }
  if (shape.extras.firstChunk !== undefined) {
    frames.push({ part: 'preamble', text: `data: ${JSON.stringify(shape.extras.firstChunk)}\n\n` })
  }
  if (fault.empty_choices === true) push('preamble', [], running())
  for (let index = 0; index < shape.count; index++) {
    emit('preamble', index, { role: 'assistant', content: plan.calls.length > 0 ? null : '', refusal: null }, null)
  }
  for (let index = 0; index < shape.count; index++) {
    if (shape.showReasoning) {
      for (const piece of cut(plan.reasoning, 16)) {
        output += countWords(piece)
        emit('content', index, { reasoning_content: piece }, null)
      }
    }
    for (const piece of piecesFor(shape, index)) {
      output += countWords(piece)
      emit(
        'content',
        index,
        { content: piece },
        null,
        shape.logprobs ? { content: [logprob(piece, shape)], refusal: null } : null,
      )
    }
    plan.calls.forEach((call, at) => {
      const args = JSON.stringify(call.args)
      output += 1 + countWords(args)
      if (shape.legacyFunctions) {
        if (at > 0) return
        emit('content', index, { function_call: { name: call.name, arguments: '' } }, null)
        for (const piece of cut(args, 8)) emit('content', index, { function_call: { arguments: piece } }, null)
        return
      }
      const head = {
        index: at,
        id: memory.nextId('call_'),
        type: 'function',
        function: { name: call.name, arguments: '' },
      }
      emit('content', index, { tool_calls: [head] }, null)
      for (const piece of cut(args, 8)) {
        emit('content', index, { tool_calls: [{ index: at, function: { arguments: piece } }] }, null)
      }
    })
  }
  for (let index = 0; index < shape.count; index++) emit('closing', index, {}, finishReason(shape))
  if (wantsUsage) push('closing', [], usage(shape))
  frames.push({ part: 'terminal', text: 'data: [DONE]\n\n' })
  return frames
}

export function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .filter(isJson)
    .filter(part => part['type'] === 'text')
    .map(part => String(part['text']))
    .join(' ')
}

function lastUserText(messages: Json[]): string {
  const last = messages.findLast(message => message['role'] === 'user')
  return textOf(last?.['content'])
}

function trailingToolResults(messages: Json[]): string[] {
  const results: string[] = []
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = messages[at]
    if (message === undefined || (message['role'] !== 'tool' && message['role'] !== 'function')) break
    results.unshift(textOf(message['content']))
  }
  return results
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
