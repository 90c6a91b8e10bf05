import type { FinishReason } from '../../translate/openai/types.ts'

const known: ReadonlySet<string> = new Set(['stop', 'length', 'tool_calls', 'content_filter', 'function_call'])

/** Words of vendors that speak the openai wire but not its vocabulary. */
const foreign: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  eos: 'stop',
  eos_token: 'stop',
  complete: 'stop',
  max_tokens: 'length',
  model_length: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  tool_call: 'tool_calls',
  sensitive: 'content_filter',
  refusal: 'content_filter',
  safety: 'content_filter',
  content_filtered: 'content_filter',
  guardrail_intervened: 'content_filter',
}

/** Finish words that say that the vendor failed. Reported as an error, not as a clean stop. */
const failed: ReadonlySet<string> = new Set(['error', 'network_error'])

export function isFailedFinish(raw: unknown): boolean {
  return typeof raw === 'string' && failed.has(raw)
}

/** The hub's finish reason; null while the vendor has named none. A `stop` behind tool calls is `tool_calls`. */
export function mapFinishReason(raw: unknown, hasTools: boolean): FinishReason | null {
  if (typeof raw !== 'string' || raw === '') return null
  const word = raw.toLowerCase()
  const reason = known.has(word) ? (word as FinishReason) : (foreign[word] ?? 'stop')
  return reason === 'stop' && hasTools ? 'tool_calls' : reason
}
