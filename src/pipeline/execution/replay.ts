import type { ChatChunk, ChatResponse, ChunkChoice } from '../../translate/openai/types.ts'

/** A complete answer as the chunks a stream would have brought: for upstreams that cannot stream a call. */
export function chunksOf(response: ChatResponse): ChatChunk[] {
  const head: Omit<ChatChunk, 'choices'> = {
    id: response.id,
    object: 'chat.completion.chunk',
    created: response.created,
    model: response.model,
  }
  // Undefined and null both say nothing; a stream leaves such members out.
  if (response.service_tier) head.service_tier = response.service_tier
  if (response.system_fingerprint) head.system_fingerprint = response.system_fingerprint
  const content: ChunkChoice[] = []
  const finish: ChunkChoice[] = []
  for (const { index, message, finish_reason, logprobs, ...extras } of response.choices) {
    const { role, tool_calls, cache_control: _cache, name: _name, prefix: _prefix, ...rest } = message
    content.push({
      index,
      delta: {
        ...(rest as ChunkChoice['delta']),
        role: role ?? 'assistant',
        ...(tool_calls ? { tool_calls: tool_calls.map((call, at) => ({ ...call, index: at })) } : {}),
      },
      finish_reason: null,
      ...(logprobs === undefined ? {} : { logprobs }),
    })
    // The stop sequence, the vendor's own reason, filter results: known only when the answer has ended.
    finish.push({ index, delta: {}, finish_reason, ...extras })
  }
  const last: ChatChunk = { ...head, choices: finish }
  const fields = response.provider_specific_fields
  if (fields !== undefined) last.provider_specific_fields = fields
  const chunks: ChatChunk[] = [{ ...head, choices: content }, last]
  if (response.usage !== undefined) chunks.push({ ...head, choices: [], usage: response.usage })
  return chunks
}
