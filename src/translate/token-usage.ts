import type { Usage } from './openai/types.ts'

/**
 * Billed quantities of one call, every vendor's dialect reduced to one fixed shape.
 * `input` and `output` are totals; the other counts are parts of them (cache and audio of input, reasoning and audio of
 * output), so a price engine subtracts and never adds twice.
 */
export interface TokenUsage {
  /** All prompt tokens, cached and cache-written ones included. */
  input: number
  cacheRead: number
  /** Written with the short (5 minute) lifetime, or with none stated. */
  cacheWrite: number
  /** Written with the one-hour lifetime. */
  cacheWrite1h: number
  inputAudio: number
  inputImage: number
  /** All completion tokens, reasoning included. */
  output: number
  reasoning: number
  outputAudio: number
  outputImage: number
  webSearches: number
  /** The tier that served the call (`default`, `flex`, `priority`, …) where the vendor's answer states it. */
  serviceTier?: string | undefined
}

export function emptyUsage(): TokenUsage {
  return {
    input: 0,
    cacheRead: 0,
    cacheWrite: 0,
    cacheWrite1h: 0,
    inputAudio: 0,
    inputImage: 0,
    output: 0,
    reasoning: 0,
    outputAudio: 0,
    outputImage: 0,
    webSearches: 0,
    serviceTier: undefined,
  }
}

const count = (value: unknown): number => (typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : 0)

/** A tier as a vendor states it; some send null, or nothing. */
export const statedTier = (tier: unknown): string | undefined =>
  typeof tier === 'string' && tier !== '' ? tier : undefined

/**
 * Hub usage (OpenAI shape, prompt_tokens includes cached ones) → billed quantities.
 * @param tier the `service_tier` of the answer, which stands beside its usage
 */
export function tokenUsageOf(usage: Usage, tier?: unknown): TokenUsage {
  const prompt = usage.prompt_tokens_details ?? undefined
  const completion = usage.completion_tokens_details ?? undefined
  const written = Math.max(count(usage.cache_creation_input_tokens), count(prompt?.cache_write_tokens))
  const written1h = Math.min(count(usage.cache_creation?.ephemeral_1h_input_tokens), written)
  const input = count(usage.prompt_tokens)
  const output = count(usage.completion_tokens)
  const reasoning = count(completion?.reasoning_tokens)
  // xAI counts reasoning beside completion_tokens, not inside; its own total tells.
  const beside = reasoning > 0 && count(usage.total_tokens) === input + output + reasoning
  return {
    input,
    cacheRead: Math.max(count(prompt?.cached_tokens), count(usage['prompt_cache_hit_tokens'])),
    cacheWrite: written - written1h,
    cacheWrite1h: written1h,
    inputAudio: count(prompt?.audio_tokens),
    inputImage: count(prompt?.image_tokens),
    output: beside ? output + reasoning : output,
    reasoning,
    outputAudio: count(completion?.audio_tokens),
    outputImage: count(completion?.image_tokens),
    webSearches: count(usage.server_tool_use?.web_search_requests),
    serviceTier: statedTier(tier),
  }
}

/** The parts of Anthropic's usage object that are billed; `input_tokens` there excludes both cache counts. */
export interface AnthropicUsage {
  input_tokens?: number | null
  output_tokens?: number | null
  cache_creation_input_tokens?: number | null
  cache_read_input_tokens?: number | null
  cache_creation?: { ephemeral_5m_input_tokens?: number; ephemeral_1h_input_tokens?: number } | null
  output_tokens_details?: { thinking_tokens?: number } | null
  server_tool_use?: { web_search_requests?: number } | null
  service_tier?: string | null
  [extra: string]: unknown
}

export function tokenUsageOfAnthropic(usage: AnthropicUsage): TokenUsage {
  const written = count(usage.cache_creation_input_tokens)
  const written1h = Math.min(count(usage.cache_creation?.ephemeral_1h_input_tokens), written)
  const read = count(usage.cache_read_input_tokens)
  return {
    ...emptyUsage(),
    input: count(usage.input_tokens) + written + read,
    cacheRead: read,
    cacheWrite: written - written1h,
    cacheWrite1h: written1h,
    output: count(usage.output_tokens),
    reasoning: count(usage.output_tokens_details?.thinking_tokens),
    serviceTier: statedTier(usage.service_tier),
    webSearches: count(usage.server_tool_use?.web_search_requests),
  }
}
