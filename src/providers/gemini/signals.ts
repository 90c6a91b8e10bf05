import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { decodeUsage, webSearchesOf } from '../../translate/openai-gemini/decode-usage.ts'
import { failureInside, geminiErrorOf } from '../../translate/openai-gemini/gemini-error.ts'
import { type GeminiGrounding, isRecord } from '../../translate/openai-gemini/gemini-types.ts'
import { mapFinishReason } from '../../translate/openai-gemini/map-finish-reason.ts'
import { modelFamily } from '../../translate/openai-gemini/model-family.ts'
import { type TokenUsage, tokenUsageOf } from '../../translate/token-usage.ts'
import type { BodySignals, EventSignals } from '../wire.ts'

/** What a relayed body says of itself. A list of responses is read as the one answer it makes up. */
export function readGeminiBody(text: string): BodySignals {
  const signals: BodySignals = { usage: undefined, failure: undefined, contentFiltered: false }
  const body = parse(text)
  if (body === undefined) {
    signals.failure = new UpstreamFailure('bad_gateway', 'Gemini: the answer is not JSON.')
    return signals
  }
  const error = geminiErrorOf(body)
  if (error !== undefined) signals.failure = failureInside(error)
  for (const response of Array.isArray(body) ? body : [body]) if (isRecord(response)) readResponse(response, signals)
  return signals
}

/** What a relayed stream event says; every event is a whole response object. Overwrites `into`. */
export function readGeminiEvent(data: string, into: EventSignals): void {
  into.usage = undefined
  into.failure = undefined
  into.contentFiltered = false
  into.content = false
  into.terminal = false
  into.usageOnly = false
  const body = parse(data)
  if (body === undefined) {
    into.failure = new UpstreamFailure('bad_gateway', 'Gemini: an event of the stream is not JSON.')
    return
  }
  const error = geminiErrorOf(body)
  if (error !== undefined) {
    into.failure = failureInside(error)
    return
  }
  for (const response of Array.isArray(body) ? body : [body]) {
    if (!isRecord(response)) continue
    const seen = readResponse(response, into)
    if (seen.parts) into.content = true
    if (seen.finished) {
      into.terminal = true
      into.content = true
    }
  }
}

function readResponse(response: Record<string, unknown>, into: BodySignals): { parts: boolean; finished: boolean } {
  let parts = false
  let finished = false
  let searches = 0
  const feedback = response['promptFeedback']
  if (isRecord(feedback) && typeof feedback['blockReason'] === 'string') {
    into.contentFiltered = true
    finished = true
  }
  const { generation } = modelFamily(String(response['modelVersion'] ?? ''))
  for (const candidate of Array.isArray(response['candidates']) ? response['candidates'] : []) {
    if (!isRecord(candidate)) continue
    const content = candidate['content']
    if (isRecord(content) && Array.isArray(content['parts']) && content['parts'].length > 0) parts = true
    const reason = candidate['finishReason']
    if (typeof reason === 'string') {
      finished = true
      if (mapFinishReason(reason, false) === 'content_filter') into.contentFiltered = true
    }
    const grounding = candidate['groundingMetadata']
    if (isRecord(grounding)) searches += webSearchesOf(grounding as GeminiGrounding, generation)
  }
  const usage = response['usageMetadata']
  if (isRecord(usage)) into.usage = usageOf(usage, searches)
  return { parts, finished }
}

const usageOf = (usage: Record<string, unknown>, searches: number): TokenUsage =>
  tokenUsageOf(decodeUsage(usage, searches))

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
