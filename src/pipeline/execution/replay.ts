import type { ChatChunk, ChatResponse, ChunkChoice } from '../../translate/openai/types.ts'

/** A complete answer as the chunks a stream would have brought: for upstreams that cannot stream a call. */
export function chunksOf(response: ChatResponse): ChatChunk[] {
  const head = {
    id: response.id,
    object: 'chat.completion.chunk' as const,
    created: response.created,
    model: response.model,
  }
  const content: ChunkChoice[] = []
  const finish: ChunkChoice[] = []
  for (const choice of response.choices) {
    const { role, tool_calls, cache_control: _cache, name: _name, prefix: _prefix, ...rest } = choice.message
    content.push({
      index: choice.index,
      delta: {
        ...(rest as ChunkChoice['delta']),
        role: role ?? 'assistant',
        ...(tool_calls ? { tool_calls: tool_calls.map((call, index) => ({ ...call, index })) } : {}),
      },
      finish_reason: null,
      ...(choice.logprobs === undefined ? {} : { logprobs: choice.logprobs }),
    })
    finish.push({ index: choice.index, delta: {}, finish_reason: choice.finish_reason })
  }
  const chunks: ChatChunk[] = [
    { ...head, choices: content },
    { ...head, choices: finish },
  ]
  if (response.usage !== undefined) chunks.push({ ...head, choices: [], usage: response.usage })
  return chunks
}
