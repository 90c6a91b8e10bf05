import type { ChatMessage, ChatResponse, Choice, ToolCall } from '../../translate/openai/types.ts'
import { badResponse, failureInside } from './failure.ts'
import { isFailedFinish, mapFinishReason } from './map-finish-reason.ts'
import { normalizeUsage } from './normalize-usage.ts'
import { jsonToolName } from './prepare-chat.ts'
import { argumentsText, isObject, type Json, readText } from './read-message.ts'
import { ThinkSplitter } from './think-tags.ts'

/** What reading an answer depends on: the call it answers. */
export interface AnswerContext {
  /** Unique hexadecimal text; ids the vendor left out are made of it. */
  readonly seed: string
  /** Seconds since 1970, for vendors that give no time. */
  readonly created: number
  readonly model: string
  readonly addReasoningTokens: boolean
  /** `<think>` at the start of an answer is reasoning. */
  readonly thinkTags: boolean
  /** Arguments of `json_tool_call` are the content. */
  readonly jsonTool: boolean
}

/** A vendor's complete answer in the hub's shape. @throws UpstreamFailure when it is not one. */
export function decodeResponse(body: unknown, context: AnswerContext): ChatResponse {
  if (!isObject(body)) throw badResponse('the answer is not a JSON object')
  if (body['error'] !== undefined && body['error'] !== null) throw failureInside(body)
  const choices = body['choices']
  if (!Array.isArray(choices) || choices.length === 0) {
    if (typeof body['message'] === 'string' || typeof body['detail'] === 'string') throw failureInside(body)
    throw badResponse('the answer holds no choices')
  }
  const usage = normalizeUsage(body['usage'], context.addReasoningTokens)
  const response: ChatResponse = {
    ...body,
    id: typeof body['id'] === 'string' && body['id'] !== '' ? body['id'] : `chatcmpl-${context.seed}`,
    object: 'chat.completion',
    created: typeof body['created'] === 'number' ? Math.floor(body['created']) : context.created,
    model: typeof body['model'] === 'string' && body['model'] !== '' ? body['model'] : context.model,
    choices: choices.map((choice, i) => decodeChoice(isObject(choice) ? choice : {}, i, context)),
  }
  delete response.usage
  if (usage !== undefined) response.usage = usage
  return response
}

function decodeChoice(choice: Json, position: number, context: AnswerContext): Choice {
  if (isObject(choice['error'])) throw failureInside(choice)
  const raw = choice['finish_reason']
  if (isFailedFinish(raw)) throw badResponse(`the answer ended with finish_reason "${String(raw)}"`)
  const message = decodeMessage(isObject(choice['message']) ? choice['message'] : { content: choice['text'] }, context)
  let hasTools = (message.tool_calls?.length ?? 0) > 0
  const answer = context.jsonTool ? message.tool_calls?.find(call => call.function.name === jsonToolName) : undefined
  if (answer !== undefined) {
    message.content = unwrapJson(answer.function.arguments)
    delete message.tool_calls
    hasTools = false
  }
  // An answer that came whole has ended, even where the vendor gives no reason.
  const reason = mapFinishReason(raw, hasTools) ?? (hasTools ? 'tool_calls' : 'stop')
  const finish = answer !== undefined && reason === 'tool_calls' ? 'stop' : reason
  const { message: _message, text: _text, ...rest } = choice
  const out: Choice = {
    ...rest,
    index: typeof choice['index'] === 'number' ? choice['index'] : position,
    message,
    finish_reason: finish,
  }
  if (typeof raw === 'string' && raw !== '' && raw !== finish)
    out.provider_specific_fields = { ...out.provider_specific_fields, native_finish_reason: raw }
  return out
}

function decodeMessage(raw: Json, context: AnswerContext): ChatMessage {
  const read = readText(raw)
  if (context.thinkTags && read.content !== undefined && read.reasoning === undefined) {
    const splitter = new ThinkSplitter()
    const first = splitter.push(read.content)
    const last = splitter.end()
    read.content = first.content + last.content
    read.reasoning = first.reasoning + last.reasoning || undefined
  }
  const { reasoning: _a, reasoning_details: _b, thinking: _c, reasoning_content: _d, ...rest } = raw
  const message: ChatMessage = { ...rest, role: 'assistant', content: read.content ?? null }
  if (read.reasoning !== undefined) message.reasoning_content = read.reasoning
  if (read.blocks !== undefined) message.thinking_blocks = read.blocks
  if (read.details !== undefined)
    message.provider_specific_fields = { ...message.provider_specific_fields, reasoning_details: read.details }
  const calls = decodeCalls(raw['tool_calls'], context)
  if (calls.length > 0) message.tool_calls = calls
  else delete message.tool_calls
  return message
}

function decodeCalls(raw: unknown, context: AnswerContext): ToolCall[] {
  if (!Array.isArray(raw)) return []
  return raw.filter(isObject).map((call, i) => {
    const definition = isObject(call['function']) ? call['function'] : {}
    const { index: _index, ...rest } = call
    return {
      ...rest,
      id: typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : `call_${context.seed}${i}`,
      type: typeof call['type'] === 'string' ? call['type'] : 'function',
      function: {
        name: typeof definition['name'] === 'string' ? definition['name'] : '',
        arguments: argumentsText(definition['arguments']) || '{}',
      },
    }
  })
}

/** Some models wrap the answer to the forced tool once more, in `values` or `properties`. */
function unwrapJson(text: string): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return text
  }
  if (!isObject(value)) return text
  const keys = Object.keys(value)
  const key = keys[0]
  if (keys.length !== 1 || (key !== 'values' && key !== 'properties')) return text
  return isObject(value[key]) ? JSON.stringify(value[key]) : text
}
