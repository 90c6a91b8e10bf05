import type { Fault } from '../fault.ts'
import { embeddingOf, wordsIn } from '../plan.ts'
import { isJson, type Json, type Reply, type Wire, type WireCall } from '../types.ts'
import { checkContents, checkPart, partsOf } from './contents.ts'
import { answerGenerate, checkGenerate } from './generate.ts'
import { batchEmbedRequest, countRequest, embedRequest, geminiError, readMessage, reject, requireKey } from './rules.ts'

export const geminiWire: Wire = {
  name: 'gemini',
  ping: ': ping\r\n\r\n',
  malformedFrame: 'data: {"candidates":[{"content":{"parts":[{"te\r\n\r\n',
  headers: () => ({ 'server-timing': 'gfet4t7; dur=12', 'x-content-type-options': 'nosniff' }),
  answer(call: WireCall): Reply {
    requireKey(call.headers, call.query, call.apiKey)
    const headers = this.headers(call.memory)
    const verb = call.path.slice(call.path.lastIndexOf(':') + 1)
    if (call.method === 'GET') return { kind: 'json', status: 200, headers, body: modelList }
    if (call.model.startsWith('missing')) {
      reject(
        `models/${call.model} is not found for API version v1beta, or is not supported for ${verb}. Call ListModels to see the list of available models and their supported methods.`,
        404,
      )
    }
    switch (verb) {
      case 'generateContent':
        return answerGenerate(call, headers, false)
      case 'streamGenerateContent':
        return answerGenerate(call, headers, true)
      case 'countTokens':
        return { kind: 'json', status: 200, headers, body: countTokens(call) }
      case 'embedContent':
        return {
          kind: 'json',
          status: 200,
          headers,
          body: { embedding: embed(readMessage(call.body, embedRequest, '')) },
        }
      default:
        return { kind: 'json', status: 200, headers, body: batchEmbed(call) }
    }
  },
  failure(status, fault) {
    return { headers: {}, body: failureBody(status, fault) }
  },
  errorFrame(fault) {
    const status = fault.error_kind === 'rate_limit' ? 429 : fault.error_kind === 'invalid' ? 400 : 503
    return `data: ${JSON.stringify(failureBody(status, {}))}\r\n\r\n`
  },
}

function failureBody(status: number, fault: Fault): Json {
  if (fault.context === true) {
    return geminiError(400, 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).')
  }
  switch (status) {
    case 401:
      return geminiError(401, 'Request had invalid authentication credentials.')
    case 403:
      return geminiError(403, 'Permission denied on resource.')
    case 404:
      return geminiError(404, 'Requested entity was not found.')
    case 429:
      return geminiError(429, 'You exceeded your current quota, please check your plan and billing details.', [
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2s' },
      ])
    case 503:
      return geminiError(503, 'The model is overloaded. Please try again later.')
    default:
      return status < 500
        ? geminiError(status, 'Request contains an invalid argument.')
        : geminiError(status, 'An internal error has occurred. Please retry.')
  }
}

const modelList = {
  models: [
    {
      name: 'models/gemini-2.5-flash',
      version: '001',
      displayName: 'Gemini 2.5 Flash',
      inputTokenLimit: 1_048_576,
      outputTokenLimit: 65_536,
      supportedGenerationMethods: ['generateContent', 'countTokens'],
    },
  ],
}

function countTokens(call: WireCall): Json {
  const request = readMessage(call.body, countRequest, '')
  const inner = request['generateContentRequest']
  let tokens: number
  if (isJson(inner)) {
    if (inner['model'] !== `models/${call.model}`)
      reject('* CountTokensRequest.generate_content_request.model: model is not specified\n')
    tokens = checkGenerate(inner, call.model).promptTokens
  } else {
    const turns = checkContents(request['contents'], call.model)
    tokens = wordsIn(turns.map(turn => turn['parts']))
  }
  return { totalTokens: tokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens }] }
}

function embed(request: Json): Json {
  const parts = partsOf(request['content'])
  if (parts.length === 0) reject('* EmbedContentRequest.content: empty content\n')
  parts.forEach((part, index) => {
    checkPart(part, `EmbedContentRequest.content.parts[${index}]`)
  })
  const text = parts.map(part => String(part['text'] ?? '')).join('')
  if (text === '') reject('* EmbedContentRequest.content: contents is not specified\n')
  const size = request['outputDimensionality']
  return { values: embeddingOf(text, typeof size === 'number' ? size : 8) }
}

function batchEmbed(call: WireCall): Json {
  const request = readMessage(call.body, batchEmbedRequest, '')
  const requests = Array.isArray(request['requests']) ? request['requests'].filter(isJson) : []
  if (requests.length === 0) reject('* BatchEmbedContentsRequest.requests: empty\n')
  const embeddings = requests.map((entry, index) => {
    // The item names the model again, with the fault suffix that the address carries.
    const model = String(entry['model'])
      .replace(/^models\//, '')
      .split('@')[0]
    if (model !== call.model || !String(entry['model']).startsWith('models/')) {
      reject(`* BatchEmbedContentsRequest.requests[${index}].model: unexpected model name format\n`)
    }
    return embed(entry)
  })
  return { embeddings }
}
