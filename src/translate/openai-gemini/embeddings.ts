import { GatewayError, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { EmbeddingRequest, EmbeddingResponse } from '../openai/types.ts'
import { failureInside, geminiErrorOf } from './gemini-error.ts'
import { isRecord, textOf } from './gemini-types.ts'

export interface BatchEmbedRequest {
  readonly requests: {
    readonly model: string
    readonly content: { readonly parts: readonly [{ readonly text: string }] }
    readonly taskType?: string
    readonly title?: string
    readonly outputDimensionality?: number
  }[]
}

/** The words other vendors use for the purpose of an embedding. */
const taskTypes: Readonly<Record<string, string>> = {
  query: 'RETRIEVAL_QUERY',
  search_query: 'RETRIEVAL_QUERY',
  document: 'RETRIEVAL_DOCUMENT',
  passage: 'RETRIEVAL_DOCUMENT',
  search_document: 'RETRIEVAL_DOCUMENT',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
}

/** @param model the resource name, `models/…`. @throws GatewayError for token arrays and empty input. */
export function buildEmbeddingRequest(request: EmbeddingRequest, model: string): BatchEmbedRequest {
  const outputDimensionality = request.dimensions ?? undefined
  const taskType = taskTypeOf(request)
  const title = typeof request['title'] === 'string' ? request['title'] : undefined
  return {
    requests: textsOf(request).map(text => ({
      model,
      content: { parts: [{ text }] },
      ...(taskType === undefined ? {} : { taskType }),
      ...(title === undefined ? {} : { title }),
      ...(outputDimensionality === undefined ? {} : { outputDimensionality }),
    })),
  }
}

function textsOf(request: EmbeddingRequest): string[] {
  const { input } = request
  const listed: unknown[] = Array.isArray(input) ? input : [input]
  if (listed.length === 0 || input === undefined || input === null) {
    throw new GatewayError('missing_field', 'input must be a text or a list of texts.', { param: 'input' })
  }
  return listed.map((text, index) => {
    if (typeof text === 'string') return text
    if (typeof text === 'number' || Array.isArray(text)) {
      throw new GatewayError('unsupported_params', 'Gemini embeds texts, not token ids. Send the text itself.', {
        param: 'input',
      })
    }
    throw new GatewayError('invalid_request', 'input must be a text or a list of texts.', { param: `input[${index}]` })
  })
}

function taskTypeOf(request: EmbeddingRequest): string | undefined {
  const stated = request['taskType'] ?? request['task_type'] ?? request.input_type
  if (typeof stated !== 'string' || stated === '') return undefined
  return (Object.hasOwn(taskTypes, stated) ? taskTypes[stated] : undefined) ?? stated.toUpperCase()
}

/**
 * `{ embeddings: [{ values }] }` → hub. The API seldom says how many tokens it read; then they are estimated at four
 * bytes each, so that cost and limits do not take them for none.
 */
export function decodeEmbeddings(body: unknown, request: EmbeddingRequest, model: string): EmbeddingResponse {
  const error = geminiErrorOf(body)
  if (error !== undefined) throw failureInside(error)
  const listed = isRecord(body) ? (body['embeddings'] ?? (isRecord(body['embedding']) ? [body['embedding']] : [])) : []
  if (!Array.isArray(listed) || listed.length === 0) {
    throw new UpstreamFailure('bad_gateway', 'Gemini: the answer holds no embeddings.')
  }
  const base64 = request.encoding_format === 'base64'
  const data = listed.map((entry, index) => {
    const values: unknown = isRecord(entry) ? entry['values'] : undefined
    if (!Array.isArray(values)) throw new UpstreamFailure('bad_gateway', 'Gemini: an embedding holds no values.')
    return { object: 'embedding' as const, index, embedding: base64 ? encodeFloats(values) : (values as number[]) }
  })
  const tokens = isRecord(body) ? tokensOf(body, listed) : 0
  const counted = tokens > 0 ? tokens : estimate(request)
  return { object: 'list', model, data, usage: { prompt_tokens: counted, total_tokens: counted } }
}

function tokensOf(body: Record<string, unknown>, embeddings: readonly unknown[]): number {
  const usage = isRecord(body['usageMetadata']) ? body['usageMetadata'] : {}
  const stated = usage['promptTokenCount'] ?? usage['totalTokenCount']
  if (typeof stated === 'number' && stated > 0) return stated
  let sum = 0
  for (const entry of embeddings) {
    const statistics = isRecord(entry) ? entry['statistics'] : undefined
    if (isRecord(statistics) && typeof statistics['tokenCount'] === 'number') sum += statistics['tokenCount']
  }
  return sum
}

function estimate(request: EmbeddingRequest): number {
  const texts: unknown[] = Array.isArray(request.input) ? request.input : [request.input]
  return texts.reduce<number>((sum, text) => sum + Math.ceil(Buffer.byteLength(textOf(text), 'utf8') / 4), 0)
}

/** 32-bit little-endian floats, as OpenAI sends them. */
function encodeFloats(values: readonly unknown[]): string {
  const bytes = Buffer.allocUnsafe(values.length * 4)
  for (let index = 0; index < values.length; index++) bytes.writeFloatLE(Number(values[index]), index * 4)
  return bytes.toString('base64')
}
