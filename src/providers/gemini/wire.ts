import { randomBytes, randomUUID } from 'node:crypto'
import type { ChatRequest, EmbeddingRequest } from '../../translate/openai/types.ts'
import { buildRequest } from '../../translate/openai-gemini/build-request.ts'
import type { DecodeContext } from '../../translate/openai-gemini/decode-part.ts'
import { decodeResponse } from '../../translate/openai-gemini/decode-response.ts'
import { GeminiStreamDecoder } from '../../translate/openai-gemini/decode-stream.ts'
import { buildEmbeddingRequest, decodeEmbeddings } from '../../translate/openai-gemini/embeddings.ts'
import { modelFamily } from '../../translate/openai-gemini/model-family.ts'
import type { RequestOptions } from '../../translate/openai-gemini/request-options.ts'
import type { ChatExchange, EmbeddingExchange, EventSignals, Target, UpstreamRequest, Wire } from '../wire.ts'
import { addressOf } from './address.ts'
import { effectiveRequest } from './effective-request.ts'
import { geminiFailure } from './failure.ts'
import { readGeminiBody, readGeminiEvent } from './signals.ts'

const optionsOf = new WeakMap<Target, RequestOptions>()

function requestOptions(target: Target): RequestOptions {
  let options = optionsOf.get(target)
  if (options === undefined) {
    const { capabilities } = target
    const family = modelFamily(target.baseModel ?? target.model)
    options = {
      family,
      dropParams: target.dropParams,
      allowedParams: target.allowedOpenaiParams,
      modifyParams: target.modifyParams,
      // Gemma takes none on this API, whatever the price map says of the open weights.
      systemMessages: !family.gemma && capabilities.systemMessages !== false,
      responseSchema: capabilities.responseSchema !== false,
      reasoning: capabilities.reasoning,
      efforts: capabilities.efforts ?? [],
    }
    optionsOf.set(target, options)
  }
  return options
}

/** The deployment's rules, as far as the call does not bring its own (`drop_params`, `allowed_openai_params`, …). */
function callOptions(target: Target, request: ChatRequest): RequestOptions {
  const options = requestOptions(target)
  const { drop_params: drop, modify_params: modify, allowed_openai_params: allowed } = request
  if (drop === undefined && modify === undefined && allowed === undefined) return options
  const names = Array.isArray(allowed) ? allowed.filter(name => typeof name === 'string') : []
  return {
    ...options,
    dropParams: typeof drop === 'boolean' ? drop : options.dropParams,
    modifyParams: typeof modify === 'boolean' ? modify : options.modifyParams,
    allowedParams: [...options.allowedParams, ...names],
  }
}

const newCallId = (): string => `call_${randomBytes(12).toString('hex')}`

function chat(hubRequest: ChatRequest, target: Target): ChatExchange {
  const { request, dropped } = effectiveRequest(hubRequest, target)
  const options = callOptions(target, request)
  const address = addressOf(target)
  const { body, droppedParams, names, grounded } = buildRequest(request, options)
  const fakeStream = request.stream === true && target.capabilities.nativeStreaming === false
  const verb = request.stream === true && !fakeStream ? 'streamGenerateContent?alt=sse' : 'generateContent'
  const context: DecodeContext = {
    model: target.model,
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    newCallId,
    names,
    generation: options.family.generation,
    grounded,
  }
  return {
    request: post(`${address.path}:${verb}`, address.headers, body),
    fakeStream,
    droppedParams: dropped.length === 0 ? droppedParams : [...dropped, ...droppedParams],
    decode: answer => decodeResponse(answer, context),
    stream: () => new GeminiStreamDecoder(context),
  }
}

function embeddings(hubRequest: EmbeddingRequest, target: Target): EmbeddingExchange {
  const { request, dropped } = effectiveRequest(hubRequest, target)
  const address = addressOf(target)
  const body = buildEmbeddingRequest(request, address.resource)
  return {
    request: post(`${address.path}:batchEmbedContents`, address.headers, body),
    droppedParams: dropped,
    decode: answer => decodeEmbeddings(answer, request, target.model),
  }
}

function post(path: string, headers: Readonly<Record<string, string>>, body: unknown): UpstreamRequest {
  return { method: 'POST', path, headers: { ...headers }, body: JSON.stringify(body) }
}

/** Google AI Studio's generateContent. */
export const geminiWire: Wire = {
  id: 'gemini',
  dialect: 'gemini',
  operations: new Set(['chat', 'embeddings'] as const),
  // No surface speaks Gemini yet: there is nothing to relay, every call is translated.
  forward: () => undefined,
  chat,
  embeddings,
  readBody: (_operation, text) => readGeminiBody(text),
  readEvent: (_event: string, data: string, into: EventSignals) => readGeminiEvent(data, into),
  // Usage and finish reasons may stand in any event, beside content.
  maySignal: () => true,
  failure: geminiFailure,
}
