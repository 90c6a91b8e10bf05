/** What a relay reads from answers it passes on unchanged. */
import type { MessageUsage } from '../../translate/openai-anthropic/types.ts'
import { isObject } from '../../translate/openai-anthropic/types.ts'
import { withCompaction } from '../../translate/openai-anthropic/usage.ts'
import { type AnthropicUsage, emptyUsage, type TokenUsage, tokenUsageOfAnthropic } from '../../translate/token-usage.ts'
import { hasOddEvent } from '../../translate/whole-events.ts'
import type { BodySignals, EventSignals, Operation } from '../wire.ts'
import { failureIn, unreadable } from './failure.ts'

type Json = Record<string, unknown>

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function readBody(operation: Operation, text: string): BodySignals {
  const body = parse(text)
  const failure = isObject(body) ? (body['type'] === 'error' ? failureIn(body) : undefined) : unreadable('the answer')
  if (failure !== undefined || !isObject(body)) return { usage: undefined, failure, contentFiltered: false }
  const counts = operation === 'count_tokens' ? undefined : body['usage']
  return {
    usage: isObject(counts)
      ? tokenUsageOfAnthropic(withCompaction(counts as MessageUsage) as AnthropicUsage)
      : undefined,
    failure: undefined,
    contentFiltered: body['stop_reason'] === 'refusal',
  }
}

/** The event's type. Its name is trusted; proxies that drop names still send the type, first in the data. */
function typeOf(event: string, data: string): string {
  if (event !== '') return event
  const start = data.indexOf('"type"')
  if (start < 0) return ''
  const open = data.indexOf('"', data.indexOf(':', start))
  return data.slice(open + 1, data.indexOf('"', open + 1))
}

/**
 * Reads one event of a stream, in order. `into.usage` is the running total and must come back unchanged with the next
 * event of the same stream: `message_start` sets the input counts, `message_delta` completes them.
 */
export function readEvent(event: string, data: string, into: EventSignals): void {
  into.content = false
  into.terminal = false
  into.usageOnly = false
  into.contentFiltered = false
  into.failure = undefined
  switch (typeOf(event, data)) {
    case 'content_block_delta':
      if (readable(data, into) !== undefined) into.content = true
      return
    case 'content_block_start':
      // A text or thinking block begins empty; a tool call begins with its name.
      if (readable(data, into) !== undefined) into.content = data.includes('"tool_use"')
      return
    case 'message_start': {
      const start = readable(data, into)
      if (start !== undefined) into.usage = usageOfStart(start)
      return
    }
    case 'message_delta':
      readMessageDelta(readable(data, into), into)
      return
    case 'message_stop':
      into.terminal = true
      return
    case 'error':
      into.failure = failureIn(parse(data)) ?? unreadable('an error event')
      return
    default:
  }
}

/** The parsed data; half an event is a failure, which may still become a fallback. */
function readable(data: string, into: EventSignals): unknown {
  const value = parse(data)
  if (value === undefined) into.failure = unreadable('a stream event')
  return value
}

function usageOfStart(data: unknown): TokenUsage {
  const message = isObject(data) ? data['message'] : undefined
  const usage = isObject(message) ? message['usage'] : undefined
  return isObject(usage) ? tokenUsageOfAnthropic(usage as AnthropicUsage) : emptyUsage()
}

function readMessageDelta(data: unknown, into: EventSignals): void {
  if (!isObject(data)) return
  const delta: Json = isObject(data['delta']) ? data['delta'] : {}
  into.content = typeof delta['stop_reason'] === 'string'
  into.contentFiltered = delta['stop_reason'] === 'refusal'
  if (isObject(data['usage'])) into.usage = completed(into.usage ?? emptyUsage(), data['usage'] as MessageUsage)
}

/** Counts of a `message_delta` are totals: a field that is present replaces what `message_start` said. */
function completed(start: TokenUsage, update: MessageUsage): TokenUsage {
  const written = start.cacheWrite + start.cacheWrite1h
  const merged: MessageUsage = {
    ...update,
    input_tokens: update.input_tokens ?? start.input - start.cacheRead - written,
    cache_read_input_tokens: update.cache_read_input_tokens ?? start.cacheRead,
    cache_creation_input_tokens: update.cache_creation_input_tokens ?? written,
    cache_creation: update.cache_creation ?? { ephemeral_1h_input_tokens: start.cacheWrite1h },
    output_tokens: update.output_tokens ?? start.output,
    service_tier: update.service_tier ?? start.serviceTier ?? null,
  }
  return tokenUsageOfAnthropic(withCompaction(merged) as AnthropicUsage)
}

/**
 * Whether a run of relayed bytes may hold more than content. Message events all carry `message_` in their name, and an
 * error its type as a JSON string of its own: inside a text the quotes would be escaped. Broken off events are noticed
 * by their end.
 */
export function maySignal(chunk: Buffer): boolean {
  // One string and three searches in it cost half of two searches in a buffer.
  const text = chunk.toString('latin1')
  return text.includes('message_') || text.includes('"error"') || hasOddEvent(text)
}
