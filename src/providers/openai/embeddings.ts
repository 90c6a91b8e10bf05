import type { EmbeddingResponse } from '../../translate/openai/types.ts'
import { badResponse, failureInside } from './failure.ts'
import { normalizeUsage } from './normalize-usage.ts'
import { isObject } from './read-message.ts'

/** @throws UpstreamFailure when the body holds no embeddings. */
export function decodeEmbeddings(body: unknown, model: string): EmbeddingResponse {
  if (!isObject(body)) throw badResponse('the answer is not a JSON object')
  if (body['error'] !== undefined && body['error'] !== null) throw failureInside(body)
  if (!Array.isArray(body['data'])) throw badResponse('the answer holds no data')
  const data = body['data'].map((item: unknown, i) => {
    const embedding = isObject(item) ? item['embedding'] : undefined
    if (!Array.isArray(embedding) && typeof embedding !== 'string') throw badResponse(`embedding ${i} is missing`)
    const index = isObject(item) && typeof item['index'] === 'number' ? item['index'] : i
    return { object: 'embedding' as const, index, embedding: embedding as number[] | string }
  })
  const usage = normalizeUsage(body['usage'])
  return {
    object: 'list',
    model: typeof body['model'] === 'string' ? body['model'] : model,
    data,
    usage: { prompt_tokens: usage?.prompt_tokens ?? 0, total_tokens: usage?.total_tokens ?? 0 },
  }
}
