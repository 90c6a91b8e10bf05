import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatChunk, ChunkChoice, Delta } from '../openai/types.ts'
import type { SseEvent } from '../sse.ts'
import type { ChatStreamDecoder } from '../stream.ts'
import { type CandidateExtras, readExtras } from './candidate-extras.ts'
import { decodeLogprobs } from './decode-logprobs.ts'
import { type ChoiceState, type DecodeContext, decodePart } from './decode-part.ts'
import { indexOf, malformedFailure, nativeReason } from './decode-response.ts'
import { decodeUsage, webSearchesOf } from './decode-usage.ts'
import { failureInside, geminiErrorOf } from './gemini-error.ts'
import { type GeminiCandidate, type GeminiUsage, isRecord } from './gemini-types.ts'
import { citationsOf } from './grounding.ts'
import { isMalformed, mapFinishReason, saysMore } from './map-finish-reason.ts'

interface StreamedChoice extends ChoiceState, CandidateExtras {
  readonly index: number
  started: boolean
  finishReason: string | undefined
  finishMessage: string | undefined
  /** The answer so far; kept only where citations may have to be placed in it. */
  text: string
}

/**
 * streamGenerateContent → hub chunks. Every event is a whole response object.
 *
 * A finish reason is held back until the body ends: older models state STOP in every event, calls may follow it, and
 * the signature of the answer may come behind it.
 */
export class GeminiStreamDecoder implements ChatStreamDecoder {
  readonly #context: DecodeContext
  readonly #choices = new Map<number, StreamedChoice>()
  #id: string
  #model: string
  #usage: GeminiUsage | undefined
  #blocked: { reason: string; feedback: unknown } | undefined
  #headSent = false
  /** A caller may already have seen something: an unusable end is then an end, not a failure. */
  #content = false

  constructor(context: DecodeContext) {
    this.#context = context
    this.#id = context.id
    this.#model = context.model
  }

  push(event: SseEvent, out: ChatChunk[]): void {
    if (event.data === '' || event.data === '[DONE]') return
    let body: unknown
    try {
      body = JSON.parse(event.data)
    } catch {
      throw new UpstreamFailure('bad_gateway', 'Gemini: an event of the stream is not JSON.')
    }
    const error = geminiErrorOf(body)
    if (error !== undefined) throw failureInside(error)
    if (!Array.isArray(body)) this.#response(body, out)
    else for (const response of body) this.#response(response, out)
  }

  #response(response: unknown, out: ChatChunk[]): void {
    if (!isRecord(response)) throw new UpstreamFailure('bad_gateway', 'Gemini: an event of the stream is no object.')
    this.#readHead(response)
    if (isRecord(response['usageMetadata'])) this.#usage = response['usageMetadata']
    const feedback = response['promptFeedback']
    if (isRecord(feedback) && typeof feedback['blockReason'] === 'string') {
      this.#blocked = { reason: feedback['blockReason'], feedback }
    }
    const candidates = response['candidates']
    if (!Array.isArray(candidates)) return
    for (let position = 0; position < candidates.length; position++) {
      const candidate: unknown = candidates[position]
      if (isRecord(candidate)) this.#candidate(candidate as GeminiCandidate, position, out)
    }
  }

  /** Id and model are the same in every chunk: what the first one said stays. */
  #readHead(response: Record<string, unknown>): void {
    if (this.#headSent) return
    const { responseId, modelVersion } = response
    if (typeof responseId === 'string' && responseId !== '') this.#id = responseId
    if (typeof modelVersion === 'string') this.#model = modelVersion
  }

  #candidate(candidate: GeminiCandidate, position: number, out: ChatChunk[]): void {
    const choice = this.#choice(indexOf(candidate, position))
    const parts: unknown = isRecord(candidate.content) ? candidate.content.parts : undefined
    let logprobs = decodeLogprobs(candidate.logprobsResult)
    if (Array.isArray(parts)) {
      for (const part of parts) {
        const delta = decodePart(part, choice, this.#context)
        if (delta === undefined) continue
        if (this.#context.grounded && typeof delta.content === 'string') choice.text += delta.content
        out.push(this.#chunk(this.#deltaChoice(choice, delta, logprobs)))
        // They belong to the event as a whole: once is enough.
        logprobs = undefined
        this.#content ||= isContent(delta)
      }
    }
    if (logprobs !== undefined) out.push(this.#chunk(this.#deltaChoice(choice, {}, logprobs)))
    readExtras(candidate, choice)
    if (typeof candidate.finishMessage === 'string') choice.finishMessage = candidate.finishMessage
    if (typeof candidate.finishReason !== 'string') return
    choice.finishReason = candidate.finishReason
    if (!this.#content && isMalformed(candidate.finishReason)) {
      throw malformedFailure(candidate.finishReason, choice.finishMessage)
    }
  }

  #choice(index: number): StreamedChoice {
    let choice = this.#choices.get(index)
    if (choice === undefined) {
      choice = {
        index,
        toolCalls: 0,
        images: 0,
        started: false,
        grounding: undefined,
        fields: {},
        finishReason: undefined,
        finishMessage: undefined,
        text: '',
      }
      this.#choices.set(index, choice)
    }
    return choice
  }

  #deltaChoice(choice: StreamedChoice, delta: Delta, logprobs: unknown): ChunkChoice {
    const made: ChunkChoice = { index: choice.index, delta: this.#opened(choice, delta), finish_reason: null }
    if (logprobs !== undefined) made.logprobs = logprobs
    return made
  }

  #opened(choice: StreamedChoice, delta: Delta): Delta {
    if (choice.started) return delta
    choice.started = true
    return { role: 'assistant', ...delta }
  }

  #chunk(choice: ChunkChoice): ChatChunk {
    this.#headSent = true
    return {
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#context.created,
      model: this.#model,
      choices: [choice],
    }
  }

  end(out: ChatChunk[]): void {
    if (this.#choices.size === 0) this.#endBlocked(out)
    let webSearches = 0
    for (const choice of this.#choices.values()) {
      if (choice.finishReason === undefined) {
        if (this.#blocked === undefined) throw interrupted()
        choice.finishReason = 'SAFETY'
      }
      out.push(this.#chunk(this.#finishChoice(choice, choice.finishReason)))
      webSearches += webSearchesOf(choice.grounding, this.#context.generation)
    }
    if (this.#usage === undefined) return
    out.push({
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#context.created,
      model: this.#model,
      choices: [],
      usage: decodeUsage(this.#usage, webSearches),
    })
  }

  /** The prompt itself was refused: an empty answer that says so. */
  #endBlocked(out: ChatChunk[]): void {
    if (this.#blocked === undefined) throw interrupted()
    const { reason, feedback } = this.#blocked
    out.push(
      this.#chunk({
        index: 0,
        delta: { role: 'assistant', content: '' },
        finish_reason: 'content_filter',
        provider_specific_fields: { native_finish_reason: reason, prompt_feedback: feedback },
      }),
    )
  }

  #finishChoice(choice: StreamedChoice, reason: string): ChunkChoice {
    const delta: Delta = {}
    if (choice.grounding !== undefined) {
      const annotations = citationsOf(choice.grounding, choice.text)
      if (annotations.length > 0) delta.annotations = annotations
    }
    if (Object.keys(choice.fields).length > 0) delta.provider_specific_fields = choice.fields
    const finished: ChunkChoice = {
      index: choice.index,
      delta: this.#opened(choice, delta),
      finish_reason: mapFinishReason(reason, choice.toolCalls > 0),
    }
    if (saysMore(reason)) finished.provider_specific_fields = nativeReason(reason, choice.finishMessage)
    return finished
  }
}

/** A signature or a hosted tool's part alone shows the caller nothing. */
const isContent = (delta: Delta): boolean =>
  Boolean(delta.content || delta.reasoning_content || delta.tool_calls || delta.images || delta.audio)

const interrupted = (): UpstreamFailure =>
  new UpstreamFailure('connection', 'Gemini: the stream ended before the answer was complete.', {
    code: 'stream_interrupted',
  })
