import type { FinishReason } from '../openai/types.ts'
import type { StopReason } from './types.ts'

/** Words that say exactly what the hub's own word says; all others are kept beside it as `native_finish_reason`. */
const plain: ReadonlySet<string> = new Set(['end_turn', 'max_tokens', 'tool_use'])

export const isPlainStopReason = (reason: string): boolean => plain.has(reason)

const finishReasons: ReadonlyMap<string, FinishReason> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  // The turn is unfinished but the caller has to send it back to go on; `stop` keeps agents from treating it as cut.
  ['pause_turn', 'stop'],
  ['max_tokens', 'length'],
  ['compaction', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['refusal', 'content_filter'],
])

export const finishReasonOf = (reason: string): FinishReason => finishReasons.get(reason) ?? 'stop'

/**
 * @param native the vendor's own word where the hub kept one; used when it is one of Anthropic's.
 * @param stopSequence the sequence that ended the answer, if the vendor named it.
 */
export function stopReasonOf(
  reason: FinishReason | null | undefined,
  native: unknown,
  stopSequence: unknown,
): StopReason {
  if (typeof native === 'string' && finishReasons.has(native)) return native as StopReason
  switch (reason) {
    case 'length':
      return 'max_tokens'
    case 'tool_calls':
    case 'function_call':
      return 'tool_use'
    case 'content_filter':
      return 'refusal'
    default:
      return typeof stopSequence === 'string' ? 'stop_sequence' : 'end_turn'
  }
}
