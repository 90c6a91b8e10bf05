/** A complete Anthropic message → the events that would have streamed it. */
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { messageDelta, messageStop, startOf, wholeBlock } from './stream-frames.ts'
import { type Block, isObject, type MessageUsage, type StopReason } from './types.ts'

/**
 * For upstreams that answer a streamed call in one piece.
 * @throws UpstreamFailure when the body is no message.
 */
export function eventsOfMessage(message: unknown): string {
  const content = isObject(message) ? message['content'] : undefined
  if (!isObject(message) || !Array.isArray(content)) {
    throw new UpstreamFailure('bad_gateway', 'anthropic: the answer is no message (it has no content list).')
  }
  const { stop_reason: reason, stop_sequence: sequence, stop_details: details, container } = message
  // The closing event tells the totals again, as the vendor does: clients take the output count from there.
  const usage: MessageUsage = isObject(message['usage']) ? message['usage'] : { output_tokens: 0 }
  let events = startOf({
    ...message,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 0 },
  })
  let index = 0
  for (const block of content as unknown[]) {
    if (isObject(block) && typeof block['type'] === 'string') events += wholeBlock(index++, block as unknown as Block)
  }
  const stop = {
    stop_reason: (reason ?? 'end_turn') as StopReason,
    stop_sequence: typeof sequence === 'string' ? sequence : null,
    ...(details == null ? {} : { stop_details: details }),
    ...(container == null ? {} : { container }),
  }
  return events + messageDelta(stop, usage) + messageStop
}
