import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatChunk, ChunkChoice, Delta, FinishReason, ToolCallDelta, Usage } from '../../translate/openai/types.ts'
import type { SseEvent } from '../../translate/sse.ts'
import type { ChatStreamDecoder } from '../../translate/stream.ts'
import type { AnswerContext } from './decode-response.ts'
import { ToolCallAssembler } from './decode-tool-calls.ts'
import { badResponse, failureInside } from './failure.ts'
import { isFailedFinish, mapFinishReason } from './map-finish-reason.ts'
import { normalizeUsage } from './normalize-usage.ts'
import { isObject, type Json, readText } from './read-message.ts'
import { ThinkSplitter } from './think-tags.ts'

interface ChoiceState {
  readonly index: number
  readonly tools: ToolCallAssembler
  /** Undefined where tags are not looked for, or no longer. */
  think: ThinkSplitter | undefined
  finished: boolean
  started: boolean
}

/** More choices than `n` allows anywhere; guards memory against a broken stream. */
const maxChoices = 128

/**
 * Stream of a vendor that speaks (more or less) OpenAI's chunks → hub chunks. Usage is held back and given once, last
 * one wins, because some vendors send it, cumulative, on every chunk.
 */
export class OpenaiStreamDecoder implements ChatStreamDecoder {
  readonly #context: AnswerContext
  readonly #choices = new Map<number, ChoiceState>()
  #id: string | undefined
  #created: number | undefined
  #model: string | undefined
  #fingerprint: string | undefined
  #tier: string | undefined
  #usage: Usage | undefined
  #done = false
  #closed = false

  constructor(context: AnswerContext) {
    this.#context = context
  }

  push(event: SseEvent, out: ChatChunk[]): void {
    const data = event.data.trim()
    if (data === '' || this.#closed) return
    if (data === '[DONE]') {
      this.#done = true
      this.#close(out)
      return
    }
    let body: unknown
    try {
      body = JSON.parse(data)
    } catch {
      throw badResponse('a stream event is not JSON')
    }
    if (!isObject(body)) throw badResponse('a stream event is not a JSON object')
    const groq = isObject(body['x_groq']) ? body['x_groq'] : undefined
    const failed = body['error'] ?? groq?.['error']
    if (failed !== undefined && failed !== null) throw failureInside({ error: failed })
    if (event.event === 'error') throw failureInside(body)
    this.#remember(body)
    const usage = normalizeUsage(body['usage'] ?? groq?.['usage'], this.#context.addReasoningTokens)
    if (usage !== undefined) this.#usage = usage
    if (!Array.isArray(body['choices'])) return
    for (let i = 0; i < body['choices'].length; i++) {
      const choice: unknown = body['choices'][i]
      if (isObject(choice)) this.#choice(choice, i, out)
    }
  }

  end(out: ChatChunk[]): void {
    if (this.#closed) return
    const states = [...this.#choices.values()]
    if (!this.#done && (states.length === 0 || states.some(state => !state.finished))) {
      throw new UpstreamFailure('connection', 'upstream: the stream broke off before the answer was finished', {
        code: 'stream_interrupted',
      })
    }
    this.#close(out)
  }

  #remember(body: Json): void {
    if (this.#id === undefined && typeof body['id'] === 'string' && body['id'] !== '') this.#id = body['id']
    if (this.#created === undefined && typeof body['created'] === 'number') this.#created = Math.floor(body['created'])
    if (this.#model === undefined && typeof body['model'] === 'string' && body['model'] !== '')
      this.#model = body['model']
    if (typeof body['system_fingerprint'] === 'string') this.#fingerprint = body['system_fingerprint']
    if (typeof body['service_tier'] === 'string') this.#tier = body['service_tier']
  }

  #choice(choice: Json, position: number, out: ChatChunk[]): void {
    if (isObject(choice['error'])) throw failureInside(choice)
    const raw = choice['finish_reason']
    if (isFailedFinish(raw)) throw badResponse(`the stream ended with finish_reason "${String(raw)}"`)
    const state = this.#state(typeof choice['index'] === 'number' ? choice['index'] : position)
    // Some vendors close a stream with the whole message again; what was streamed already says it.
    const whole = !state.started && isObject(choice['message']) ? choice['message'] : undefined
    const delta = isObject(choice['delta']) ? choice['delta'] : whole
    const next = delta === undefined ? {} : this.#delta(delta, state)
    let finish: FinishReason | null = null
    if (!state.finished) {
      finish = mapFinishReason(raw, state.tools.any)
      if (finish !== null) this.#finish(state, next)
    }
    const logprobs = choice['logprobs']
    const empty = Object.keys(next).length === 0
    if (empty && finish === null && (logprobs === undefined || logprobs === null)) return
    if (!state.started) {
      next.role = 'assistant'
      state.started = true
    }
    const made: ChunkChoice = { index: state.index, delta: next, finish_reason: finish }
    if (logprobs !== undefined && logprobs !== null) made.logprobs = logprobs
    if (finish !== null && raw !== finish) made.provider_specific_fields = { native_finish_reason: raw }
    if (isObject(choice['content_filter_results']))
      made.provider_specific_fields = {
        ...made.provider_specific_fields,
        content_filter_results: choice['content_filter_results'],
      }
    out.push(this.#chunk([made]))
  }

  #state(index: number): ChoiceState {
    let state = this.#choices.get(index)
    if (state === undefined) {
      if (this.#choices.size >= maxChoices) throw badResponse('more choices than can be')
      state = {
        index,
        tools: new ToolCallAssembler(index === 0 ? this.#context.seed : `${this.#context.seed}_${index}_`),
        think: this.#context.thinkTags ? new ThinkSplitter() : undefined,
        finished: false,
        started: false,
      }
      this.#choices.set(index, state)
    }
    return state
  }

  #delta(raw: Json, state: ChoiceState): Delta {
    const next: Delta = {}
    const read = readText(raw)
    if (read.reasoning !== undefined) {
      // The vendor separates reasoning itself: tags in the content are the model's own words.
      if (state.think !== undefined) {
        const held = state.think.end()
        if (held.content !== '') next.content = held.content
      }
      state.think = undefined
      next.reasoning_content = read.reasoning
    }
    if (read.content !== undefined && read.content !== '') {
      if (state.think === undefined) next.content = (next.content ?? '') + read.content
      else {
        const pieces = state.think.push(read.content)
        if (pieces.content !== '') next.content = pieces.content
        if (pieces.reasoning !== '') next.reasoning_content = pieces.reasoning
      }
    }
    if (read.blocks !== undefined) next.thinking_blocks = read.blocks
    if (read.details !== undefined) next.provider_specific_fields = { reasoning_details: read.details }
    if (typeof raw['refusal'] === 'string' && raw['refusal'] !== '') next.refusal = raw['refusal']
    if (isObject(raw['function_call'])) next.function_call = raw['function_call'] as NonNullable<Delta['function_call']>
    if (isObject(raw['audio'])) next.audio = raw['audio'] as NonNullable<Delta['audio']>
    if (Array.isArray(raw['images']) && raw['images'].length > 0) next.images = raw['images']
    if (Array.isArray(raw['annotations']) && raw['annotations'].length > 0) next.annotations = raw['annotations']
    if (Array.isArray(raw['tool_calls'])) {
      const calls: ToolCallDelta[] = []
      state.tools.push(raw['tool_calls'], calls)
      if (calls.length > 0) next.tool_calls = calls
    }
    return next
  }

  #finish(state: ChoiceState, next: Delta): void {
    state.finished = true
    state.tools.end()
    const held = state.think?.end()
    if (held !== undefined && held.content !== '') next.content = (next.content ?? '') + held.content
    if (held !== undefined && held.reasoning !== '')
      next.reasoning_content = (next.reasoning_content ?? '') + held.reasoning
  }

  /** Finishes what the vendor left open, then gives the usage. */
  #close(out: ChatChunk[]): void {
    this.#closed = true
    if (this.#choices.size === 0 && this.#usage === undefined) throw badResponse('the stream held no answer')
    for (const state of this.#choices.values()) {
      if (state.finished) continue
      const delta: Delta = state.started ? {} : { role: 'assistant' }
      this.#finish(state, delta)
      out.push(this.#chunk([{ index: state.index, delta, finish_reason: state.tools.any ? 'tool_calls' : 'stop' }]))
    }
    if (this.#usage === undefined) return
    const last = this.#chunk([])
    last.usage = this.#usage
    out.push(last)
  }

  #chunk(choices: ChunkChoice[]): ChatChunk {
    const chunk: ChatChunk = {
      id: this.#id ?? `chatcmpl-${this.#context.seed}`,
      object: 'chat.completion.chunk',
      created: this.#created ?? this.#context.created,
      model: this.#model ?? this.#context.model,
      choices,
    }
    if (this.#fingerprint !== undefined) chunk.system_fingerprint = this.#fingerprint
    if (this.#tier !== undefined) chunk.service_tier = this.#tier
    return chunk
  }
}
