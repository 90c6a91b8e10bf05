/** A complete `/v1/completions` answer as the events that would have streamed it. */
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'

/**
 * For upstreams that answer a streamed call in one piece: one event with the choices, one with the usage where the
 * caller asked for it.
 * @throws UpstreamFailure when the body is no answer.
 */
export function eventsOfCompletion(answer: unknown, includeUsage: boolean): string {
  const { usage, ...chunk } = (answer ?? {}) as Record<string, unknown>
  if (!Array.isArray(chunk['choices'])) {
    throw new UpstreamFailure('bad_gateway', 'The upstream answered with a body that is no completion.')
  }
  let events = eventOf(chunk)
  if (includeUsage && usage !== undefined && usage !== null) events += eventOf({ ...chunk, choices: [], usage })
  return `${events}data: [DONE]\n\n`
}

const eventOf = (chunk: object): string => `data: ${JSON.stringify(chunk)}\n\n`
