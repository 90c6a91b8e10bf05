import type { Usage } from '../openai/types.ts'
import type { MessageUsage } from './types.ts'

const count = (value: unknown): number => (typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : 0)

/**
 * Adds what the top-level counts leave out: a `compaction` iteration is billed at the same rates but reported only
 * under `iterations`. Advisor iterations run on another model; they stay in the list for whoever prices that model.
 */
export function withCompaction(usage: MessageUsage): MessageUsage {
  if (!Array.isArray(usage.iterations)) return usage
  let total: MessageUsage | undefined
  for (const iteration of usage.iterations) {
    if (iteration?.type !== 'compaction') continue
    total ??= { ...usage }
    total.input_tokens = count(total.input_tokens) + count(iteration.input_tokens)
    total.output_tokens = count(total.output_tokens) + count(iteration.output_tokens)
    total.cache_read_input_tokens = count(total.cache_read_input_tokens) + count(iteration.cache_read_input_tokens)
    total.cache_creation_input_tokens =
      count(total.cache_creation_input_tokens) + count(iteration.cache_creation_input_tokens)
  }
  return total ?? usage
}

/** Anthropic's `input_tokens` excludes both cache counts; the hub's `prompt_tokens` includes them. */
export function usageToHub(reported: MessageUsage): Usage {
  const usage = withCompaction(reported)
  const read = count(usage.cache_read_input_tokens)
  const written = count(usage.cache_creation_input_tokens)
  const prompt = count(usage.input_tokens) + read + written
  const completion = count(usage.output_tokens)
  const hub: Usage = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
  if (usage.cache_read_input_tokens != null || usage.cache_creation_input_tokens != null) {
    hub.prompt_tokens_details = { cached_tokens: read, cache_write_tokens: written }
    hub.cache_creation_input_tokens = written
    hub.cache_read_input_tokens = read
  }
  if (usage.cache_creation != null) hub.cache_creation = usage.cache_creation
  const thinking = usage.output_tokens_details?.thinking_tokens
  if (typeof thinking === 'number') hub.completion_tokens_details = { reasoning_tokens: thinking }
  if (usage.server_tool_use != null) hub.server_tool_use = usage.server_tool_use
  if (Array.isArray(usage.iterations)) hub['iterations'] = usage.iterations
  return hub
}

/** Hub usage as Anthropic reports it: cached and cache-written tokens are taken out of `input_tokens`. */
export function usageFromHub(usage: Usage | null | undefined): MessageUsage {
  const details = usage?.prompt_tokens_details
  const read = Math.max(count(details?.cached_tokens), count(usage?.cache_read_input_tokens))
  const written = Math.max(count(details?.cache_write_tokens), count(usage?.cache_creation_input_tokens))
  const message: MessageUsage = {
    input_tokens: Math.max(0, count(usage?.prompt_tokens) - read - written),
    output_tokens: count(usage?.completion_tokens),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
  }
  if (usage?.cache_creation != null) message.cache_creation = usage.cache_creation
  const reasoning = usage?.completion_tokens_details?.reasoning_tokens
  if (typeof reasoning === 'number') message.output_tokens_details = { thinking_tokens: reasoning }
  if (usage?.server_tool_use != null) message.server_tool_use = usage.server_tool_use
  return message
}

/**
 * Merges a `message_delta` usage into what `message_start` said. Counts are totals of the message so far, and a field
 * that does not apply is absent or null: overwrite when present, never add.
 */
export function mergeUsage(into: MessageUsage, update: MessageUsage): void {
  for (const key in update) {
    if (update[key] != null) into[key] = update[key]
  }
}
