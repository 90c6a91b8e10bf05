import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatResponse, Choice } from '../openai/types.ts'
import { type CandidateExtras, readExtras } from './candidate-extras.ts'
import { MessageCollector } from './collect-message.ts'
import { decodeLogprobs } from './decode-logprobs.ts'
import { type ChoiceState, type DecodeContext, decodePart } from './decode-part.ts'
import { decodeUsage, webSearchesOf } from './decode-usage.ts'
import { failureInside, geminiErrorOf } from './gemini-error.ts'
import { type GeminiCandidate, type GeminiResponse, isRecord } from './gemini-types.ts'
import { citationsOf } from './grounding.ts'
import { isMalformed, mapFinishReason, saysMore } from './map-finish-reason.ts'

interface Collected extends ChoiceState, CandidateExtras {
  readonly index: number
  readonly message: MessageCollector
  finishReason: string | undefined
  finishMessage: string | undefined
  readonly logprobs: { content: unknown[]; refusal: null }
}

/**
 * A generateContent answer → hub. A list of answers (streamGenerateContent without `alt=sse`) is read as one.
 * @throws UpstreamFailure for an error in a 2xx body, a body that is no answer, and a malformed turn.
 */
export function decodeResponse(body: unknown, context: DecodeContext): ChatResponse {
  const error = geminiErrorOf(body)
  if (error !== undefined) throw failureInside(error)
  const choices = new Map<number, Collected>()
  let head: GeminiResponse = {}
  let blockReason: string | undefined
  for (const response of Array.isArray(body) ? body : [body]) {
    if (!isRecord(response)) throw new UpstreamFailure('bad_gateway', 'Gemini: the answer is not a JSON object.')
    head = { ...head, ...response }
    const feedback = response['promptFeedback']
    if (isRecord(feedback) && typeof feedback['blockReason'] === 'string') blockReason = feedback['blockReason']
    const candidates = Array.isArray(response['candidates']) ? response['candidates'] : []
    for (const [position, candidate] of candidates.entries()) {
      if (isRecord(candidate)) collect(candidate as GeminiCandidate, position, choices, context)
    }
  }
  if (choices.size === 0) return emptyAnswer(head, blockReason, context)
  const collected = [...choices.values()].sort((left, right) => left.index - right.index)
  refuseMalformed(collected)
  return answer(head, collected.map(finishChoice), context, searches(collected, context))
}

function collect(
  candidate: GeminiCandidate,
  position: number,
  choices: Map<number, Collected>,
  context: DecodeContext,
): void {
  const index = indexOf(candidate, position)
  let choice = choices.get(index)
  if (choice === undefined) {
    choice = {
      index,
      message: new MessageCollector(),
      toolCalls: 0,
      images: 0,
      grounding: undefined,
      fields: {},
      finishReason: undefined,
      finishMessage: undefined,
      logprobs: { content: [], refusal: null },
    }
    choices.set(index, choice)
  }
  const parts: unknown = isRecord(candidate.content) ? candidate.content.parts : undefined
  if (Array.isArray(parts)) for (const part of parts) choice.message.add(decodePart(part, choice, context))
  if (typeof candidate.finishReason === 'string') choice.finishReason = candidate.finishReason
  if (typeof candidate.finishMessage === 'string') choice.finishMessage = candidate.finishMessage
  readExtras(candidate, choice)
  const logprobs = decodeLogprobs(candidate.logprobsResult) as Collected['logprobs'] | undefined
  if (logprobs !== undefined) choice.logprobs.content.push(...logprobs.content)
}

/** The place of a candidate: its own index, else where it stands in the list. */
export function indexOf(candidate: GeminiCandidate, position: number): number {
  const { index } = candidate
  return Number.isSafeInteger(index) && (index as number) >= 0 && (index as number) < 1024
    ? (index as number)
    : position
}

function refuseMalformed(choices: readonly Collected[]): void {
  const worst = choices[0]
  if (worst?.finishReason === undefined) return
  // A malformed call is never an answer; a malformed or unexpected end is one when something usable came before it.
  const broken = (choice: Collected): boolean =>
    choice.finishReason !== undefined &&
    isMalformed(choice.finishReason) &&
    (choice.finishReason === 'MALFORMED_FUNCTION_CALL' || !choice.message.usable)
  if (choices.every(broken)) throw malformedFailure(worst.finishReason, worst.finishMessage)
}

export function malformedFailure(reason: string, message: string | undefined): UpstreamFailure {
  const detail = message === undefined ? '' : ` (${message.slice(0, 500)})`
  return new UpstreamFailure('internal_server', `Gemini: the model's turn was not usable: ${reason}${detail}.`, {
    vendorCode: reason,
  })
}

function finishChoice(choice: Collected): Choice {
  const { message, grounding, finishReason } = choice
  for (const [name, value] of Object.entries(choice.fields)) message.setField(name, value)
  if (grounding !== undefined) message.annotate(citationsOf(grounding, message.text, message.partStarts))
  const reason = finishReason ?? 'STOP'
  const finished: Choice = {
    index: choice.index,
    message: message.finish(),
    finish_reason: mapFinishReason(reason, message.hasToolCalls),
  }
  if (choice.logprobs.content.length > 0) finished.logprobs = choice.logprobs
  if (saysMore(reason)) finished.provider_specific_fields = nativeReason(reason, choice.finishMessage)
  return finished
}

export function nativeReason(reason: string, message: string | undefined): Record<string, unknown> {
  return message === undefined
    ? { native_finish_reason: reason }
    : { native_finish_reason: reason, native_finish_message: message }
}

/** The prompt itself was refused: an answer that says so, not an error. */
function emptyAnswer(head: GeminiResponse, blockReason: string | undefined, context: DecodeContext): ChatResponse {
  if (blockReason === undefined) {
    throw new UpstreamFailure('bad_gateway', 'Gemini: the answer holds no candidates and no reason for it.')
  }
  const choice: Choice = {
    index: 0,
    message: { role: 'assistant', content: '' },
    finish_reason: 'content_filter',
    provider_specific_fields: { native_finish_reason: blockReason, prompt_feedback: head.promptFeedback },
  }
  return answer(head, [choice], context, 0)
}

const searches = (choices: readonly Collected[], context: DecodeContext): number =>
  choices.reduce((sum, choice) => sum + webSearchesOf(choice.grounding, context.generation), 0)

function answer(head: GeminiResponse, choices: Choice[], context: DecodeContext, webSearches: number): ChatResponse {
  const response: ChatResponse = {
    id: typeof head.responseId === 'string' && head.responseId !== '' ? head.responseId : context.id,
    object: 'chat.completion',
    created: context.created,
    model: typeof head.modelVersion === 'string' ? head.modelVersion : context.model,
    choices,
  }
  if (isRecord(head.usageMetadata)) response.usage = decodeUsage(head.usageMetadata, webSearches)
  return response
}
