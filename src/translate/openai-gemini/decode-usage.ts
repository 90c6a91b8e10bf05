import type { Usage } from '../openai/types.ts'
import { type GeminiGrounding, type GeminiUsage, isRecord } from './gemini-types.ts'

const count = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0)

/** Token counts per modality, under the hub's names. */
function byModality(details: unknown, into: Record<string, unknown>): void {
  if (!Array.isArray(details)) return
  for (const detail of details) {
    if (!isRecord(detail) || typeof detail['modality'] !== 'string') continue
    const tokens = count(detail['tokenCount'])
    if (tokens === 0) continue
    const name = `${detail['modality'].toLowerCase()}_tokens`
    into[name] = count(into[name]) + tokens
  }
}

/**
 * `promptTokenCount` already includes cached tokens; what hosted tools read comes on top of it. Thoughts are counted
 * beside the candidates, except by some older models, where the total shows that they are inside.
 * @param webSearches billed searches, from the grounding metadata.
 */
export function decodeUsage(usage: GeminiUsage, webSearches = 0): Usage {
  const toolPrompt = count(usage.toolUsePromptTokenCount)
  const prompt = count(usage.promptTokenCount) + toolPrompt
  const candidates = count(usage.candidatesTokenCount)
  const thoughts = count(usage.thoughtsTokenCount)
  const total = count(usage.totalTokenCount)
  const inside = thoughts > 0 && candidates >= thoughts && total === prompt + candidates
  const completion = inside ? candidates : candidates + thoughts
  const promptDetails: NonNullable<Usage['prompt_tokens_details']> = {}
  byModality(usage.promptTokensDetails, promptDetails)
  byModality(usage.toolUsePromptTokensDetails, promptDetails)
  promptDetails.cached_tokens = count(usage.cachedContentTokenCount)
  if (toolPrompt > 0) promptDetails['tool_use_tokens'] = toolPrompt
  const completionDetails: NonNullable<Usage['completion_tokens_details']> = {}
  byModality(usage.candidatesTokensDetails, completionDetails)
  completionDetails.reasoning_tokens = thoughts
  const decoded: Usage = {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: promptDetails,
    completion_tokens_details: completionDetails,
  }
  if (webSearches > 0) decoded.server_tool_use = { web_search_requests: webSearches }
  return decoded
}

/** Gemini 3 bills every search query; before it, a grounded answer counts once. */
export function webSearchesOf(grounding: GeminiGrounding | undefined, generation: number): number {
  const queries = grounding?.webSearchQueries
  const asked = Array.isArray(queries) ? queries.filter(query => query !== '').length : 0
  return generation >= 3 ? asked : Math.min(asked, 1)
}
