import type { Usage } from '../../translate/openai/types.ts'

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0

/**
 * A usage object of an openai-like vendor in the hub's shape; undefined when it holds no counts.
 * @param addReasoning `completion_tokens` excludes the reasoning tokens (xAI); total_tokens already includes them
 */
export function normalizeUsage(value: unknown, addReasoning = false): Usage | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const raw = value as Record<string, unknown>
  const prompt = firstCount(raw['prompt_tokens'], raw['input_tokens'])
  let completion = firstCount(raw['completion_tokens'], raw['output_tokens'])
  if (prompt === undefined && completion === undefined && !isCount(raw['total_tokens'])) return undefined
  const details = (raw['completion_tokens_details'] ??
    raw['output_tokens_details']) as Usage['completion_tokens_details']
  if (addReasoning && isCount(details?.reasoning_tokens)) completion = (completion ?? 0) + details.reasoning_tokens
  const usage: Usage = {
    ...raw,
    prompt_tokens: prompt ?? 0,
    completion_tokens: completion ?? 0,
    total_tokens: isCount(raw['total_tokens']) ? raw['total_tokens'] : (prompt ?? 0) + (completion ?? 0),
  }
  if (details !== undefined) usage.completion_tokens_details = details
  const inputDetails = (raw['prompt_tokens_details'] ?? raw['input_tokens_details']) as Usage['prompt_tokens_details']
  if (inputDetails !== undefined) usage.prompt_tokens_details = inputDetails
  const hits = raw['prompt_cache_hit_tokens']
  // DeepSeek's name for tokens read from its cache.
  if (isCount(hits) && usage.prompt_tokens_details?.cached_tokens === undefined)
    usage.prompt_tokens_details = { ...usage.prompt_tokens_details, cached_tokens: hits }
  return usage
}

function firstCount(...values: unknown[]): number | undefined {
  return values.find(isCount)
}
