import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatStreamEncoder } from '../stream.ts'
import { chatLogprobsOf, completionLogprobs } from './completions-logprobs.ts'
import type { ChatChunk, ChatRequest, ChatResponse, FinishReason, Usage } from './types.ts'

type Json = Readonly<Record<string, unknown>>

/** The legacy `/v1/completions` answer. */
export interface CompletionResponse {
  id: string
  object: 'text_completion'
  created: number
  model: string
  choices: CompletionChoice[]
  usage?: Usage
  system_fingerprint?: string | null
}

export interface CompletionChoice {
  text: string
  index: number
  logprobs: unknown
  finish_reason: FinishReason | null
}

/** Fields that have another meaning in chat, or none. */
const ownFields: ReadonlySet<string> = new Set(['prompt', 'echo', 'suffix', 'best_of', 'logprobs'])

/**
 * A completions request as a chat request, for upstreams that only chat: the prompt is one user message.
 * @param options `dropParams`: `suffix` and `best_of` are left out and named in `dropped`
 * @throws GatewayError for prompts that are token ids or several texts, and for `suffix` and `best_of`
 */
export function chatRequestOfCompletion(
  json: Json,
  options: { readonly dropParams?: boolean; readonly dropped?: string[] } = {},
): ChatRequest {
  const prompt = promptText(json['prompt'])
  const { suffix, best_of: bestOf } = json
  const refuse = (param: string): void => {
    if (options.dropParams !== true) throw unsupported(param)
    options.dropped?.push(param)
  }
  if (typeof suffix === 'string' && suffix !== '') refuse('suffix')
  if (typeof bestOf === 'number' && bestOf > Number(json['n'] ?? 1)) refuse('best_of')
  const request: Record<string, unknown> = {}
  for (const key in json) if (!ownFields.has(key)) request[key] = json[key]
  Object.assign(request, chatLogprobsOf(json['logprobs']))
  request['messages'] = [{ role: 'user', content: prompt }]
  return request as ChatRequest
}

function unsupported(param: string): GatewayError {
  return new GatewayError(
    'unsupported_params',
    `${param} needs a model with a native completions endpoint; the routed one only chats. Leave it out, or set drop_params`,
    { param },
  )
}

function promptText(prompt: unknown): string {
  if (typeof prompt === 'string') return prompt
  if (Array.isArray(prompt) && prompt.length === 1 && typeof prompt[0] === 'string') return prompt[0]
  throw new GatewayError(
    'invalid_request',
    'prompt must be one text (or a list of one) for this model; token ids and several prompts need a model with a ' +
      'native completions endpoint',
    { param: 'prompt' },
  )
}

/** Text put before the answer when the caller wants the prompt back. */
const echoOf = (json: Json): string => (json['echo'] === true ? promptText(json['prompt']) : '')

/** @param json the completions request that is answered */
export function completionOfChatResponse(response: ChatResponse, json: Json): CompletionResponse {
  const echo = echoOf(json)
  const out: CompletionResponse = {
    id: response.id,
    object: 'text_completion',
    created: response.created,
    model: response.model,
    choices: response.choices.map(choice => {
      const content = choice.message.content
      const text = typeof content === 'string' ? content : ''
      return {
        text: echo + text,
        index: choice.index,
        logprobs: completionLogprobs(choice.logprobs, echo.length),
        finish_reason: choice.finish_reason,
      }
    }),
  }
  if (response.usage !== undefined) out.usage = response.usage
  if (response.system_fingerprint !== undefined) out.system_fingerprint = response.system_fingerprint
  return out
}

/** Hub chunks → `text_completion` events. Chunks that hold neither text nor a finish (reasoning, tools) give nothing. */
export class CompletionStreamEncoder implements ChatStreamEncoder {
  readonly #echo: string
  readonly #includeUsage: boolean
  /** Characters sent so far per choice; `text_offset` of logprobs counts from there. */
  readonly #sent = new Map<number, number>()

  constructor(json: Json, includeUsage: boolean) {
    this.#echo = echoOf(json)
    this.#includeUsage = includeUsage
  }

  push(chunk: ChatChunk): string {
    const choices: CompletionChoice[] = []
    for (const choice of chunk.choices) {
      const content = choice.delta.content ?? ''
      const before = this.#sent.get(choice.index)
      if (content === '' && choice.finish_reason === null) continue
      const text = before === undefined ? this.#echo + content : content
      const offset = before ?? this.#echo.length
      this.#sent.set(choice.index, offset + content.length)
      choices.push({
        text,
        index: choice.index,
        logprobs: completionLogprobs(choice.logprobs, offset),
        finish_reason: choice.finish_reason,
      })
    }
    const usage = this.#includeUsage ? (chunk.usage ?? undefined) : undefined
    if (choices.length === 0 && usage === undefined) return ''
    const out: CompletionResponse = {
      id: chunk.id,
      object: 'text_completion',
      created: chunk.created,
      model: chunk.model,
      choices,
    }
    if (usage !== undefined) out.usage = usage
    return `data: ${JSON.stringify(out)}\n\n`
  }

  end(): string {
    return 'data: [DONE]\n\n'
  }
}
