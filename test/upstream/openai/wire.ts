import type { Fault } from '../fault.ts'
import { type Json, type Memory, type Reply, type Wire, type WireCall, WireRejection } from '../types.ts'
import { answerChat, noExtras } from './chat.ts'
import { answerCompletion, answerEmbeddings, listModels } from './other-operations.ts'
import { openaiError, reject, requireBearer } from './rules.ts'

/** OpenAI's error object for a status. */
export function openaiFailure(status: number, fault: Fault): Json {
  if (fault.context === true) {
    return openaiError(
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens. Please reduce the length of the messages.",
      'invalid_request_error',
      'messages',
      'context_length_exceeded',
    )
  }
  if (fault.quota === true) {
    return openaiError(
      'You exceeded your current quota, please check your plan and billing details.',
      'insufficient_quota',
      null,
      'insufficient_quota',
    )
  }
  switch (status) {
    case 401:
      return openaiError('Incorrect API key provided: sk-***.', 'invalid_request_error', null, 'invalid_api_key')
    case 403:
      return openaiError(
        'Country, region, or territory not supported',
        'request_forbidden',
        null,
        'unsupported_country_region_territory',
      )
    case 404:
      return openaiError(
        'The model does not exist or you do not have access to it.',
        'invalid_request_error',
        null,
        'model_not_found',
      )
    case 429:
      return openaiError(
        'Rate limit reached for requests. Please try again in 20ms.',
        'requests',
        null,
        'rate_limit_exceeded',
      )
    case 503:
      return openaiError('The engine is currently overloaded, please try again later', 'server_error', null, null)
    default:
      if (status < 500) return openaiError('Invalid request.', 'invalid_request_error', null, null)
      return openaiError(
        'The server had an error while processing your request. Sorry about that!',
        'server_error',
        null,
        null,
      )
  }
}

export const openaiWire: Wire = {
  name: 'openai',
  ping: ': ping\n\n',
  malformedFrame: 'data: {"id":"chatcmpl-broken","choices":[{"index":0,"del\n\n',
  headers: openaiHeaders,
  answer(call: WireCall): Reply {
    requireBearer(call.headers, call.apiKey)
    const headers = openaiHeaders(call.memory)
    if (call.path.endsWith('/models')) return listModels(headers)
    if (call.body['model'] == null) reject('you must provide a model parameter')
    if (call.model.startsWith('missing')) {
      reject(
        `The model \`${call.model}\` does not exist or you do not have access to it.`,
        null,
        'model_not_found',
        404,
      )
    }
    if (call.fault.filter === 'prompt') {
      const message = 'Your request was rejected as a result of our safety system.'
      throw new WireRejection(
        400,
        openaiError(message, 'invalid_request_error', null, 'content_policy_violation'),
        message,
      )
    }
    if (call.path.endsWith('/chat/completions')) return answerChat(call, headers, noExtras)
    if (call.path.endsWith('/embeddings')) return answerEmbeddings(call, headers)
    return answerCompletion(call, headers)
  },
  failure(status, fault) {
    const headers = openaiHeaders(undefined)
    if (status === 429) headers['x-ratelimit-remaining-requests'] = '0'
    return { headers, body: openaiFailure(status, fault) }
  },
  errorFrame: openaiErrorFrame,
}

export function openaiErrorFrame(fault: Fault): string {
  const status = fault.error_kind === 'rate_limit' ? 429 : fault.error_kind === 'invalid' ? 400 : 503
  return `data: ${JSON.stringify(openaiFailure(status, {}))}\n\n`
}

export function openaiHeaders(memory: Memory | undefined): Record<string, string> {
  return {
    'x-request-id': memory?.nextId('req_') ?? 'req_fault',
    'openai-version': '2020-10-01',
    'openai-processing-ms': '5',
    'x-ratelimit-limit-requests': '10000',
    'x-ratelimit-remaining-requests': '9999',
    'x-ratelimit-limit-tokens': '1000000',
    'x-ratelimit-remaining-tokens': '999000',
  }
}
