import { locateMembers, skipValue } from '../../translate/json-splice.ts'
import type { Usage } from '../../translate/openai/types.ts'
import { statedTier, type TokenUsage, tokenUsageOf } from '../../translate/token-usage.ts'
import { hasOddEvent } from '../../translate/whole-events.ts'
import type { BodySignals, EventSignals, Operation } from '../wire.ts'
import { badResponse, failureInside } from './failure.ts'
import { normalizeUsage } from './normalize-usage.ts'

type Json = Record<string, unknown>

const usageOf = (value: unknown, tier?: unknown): TokenUsage | undefined => {
  const usage: Usage | undefined = normalizeUsage(value)
  return usage === undefined ? undefined : tokenUsageOf(usage, tier)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const answerKeys = ['choices', 'data', 'usage', 'error', 'service_tier'] as const
type AnswerKey = (typeof answerKeys)[number]
/** Filled anew by each read; nothing is read across calls. */
const spans = new Int32Array(2 * answerKeys.length)

/** The text of a member of the answer that was located last; undefined when it is absent. */
function member(text: string, key: AnswerKey): string | undefined {
  const at = 2 * answerKeys.indexOf(key)
  const start = spans[at] ?? -1
  return start < 0 ? undefined : text.slice(start, spans[at + 1])
}

function firstCharacter(text: string, key: AnswerKey): number {
  return text.charCodeAt(spans[2 * answerKeys.indexOf(key)] ?? -1)
}

/**
 * Reads usage and errors out of a relayed body without building it: the top-level members are located in the text, and
 * only `usage`, `service_tier` and `error` are parsed. A list of embeddings is not even walked.
 */
export function readBody(operation: Operation, text: string): BodySignals {
  if (operation === 'embeddings') {
    const tail = trailingUsage(text)
    if (tail !== undefined) return { usage: tail, failure: undefined, contentFiltered: false }
  }
  const signals: BodySignals = { usage: undefined, failure: undefined, contentFiltered: false }
  if (!locateMembers(text, answerKeys, spans)) {
    signals.failure = badResponse(text.trim() === '' ? 'the answer is empty' : 'the answer is not a JSON object')
    return signals
  }
  const answer = operation === 'embeddings' ? 'data' : 'choices'
  const answered = firstCharacter(text, answer) === 0x5b
  const usage = member(text, 'usage')
  if (usage !== undefined) signals.usage = usageOf(parse(usage))
  const error = member(text, 'error')
  if (error !== undefined && error !== 'null') signals.failure = failureInside({ error: parse(error) })
  const tier = member(text, 'service_tier')
  if (!answered && signals.failure === undefined) {
    const whole = parse(text) as Json | undefined
    const says = typeof whole?.['message'] === 'string' || typeof whole?.['detail'] === 'string'
    signals.failure = says ? failureInside(whole) : badResponse(`the answer holds no ${answer}`)
  }
  if (signals.usage !== undefined) signals.usage.serviceTier = statedTier(tier === undefined ? undefined : parse(tier))
  signals.contentFiltered = filtered(text)
  return signals
}

function filtered(text: string): boolean {
  // The search stops at each first character of what it looks for, and an underscore is rare.
  if (!text.includes('_filter"')) return false
  return text.includes('"finish_reason":"content_filter"') || text.includes('"finish_reason": "content_filter"')
}

/** The usage object of an embeddings answer, which vendors put behind or before megabytes of numbers. */
function trailingUsage(text: string): TokenUsage | undefined {
  const window = 4096
  const near = text.slice(-window)
  const source = near.includes('"usage"') ? near : text.slice(0, window)
  const key = source.lastIndexOf('"usage"')
  if (key < 0 || !text.includes('"embedding"')) return undefined
  const start = source.indexOf('{', key)
  if (start < 0 || !/^\s*:\s*$/.test(source.slice(key + 7, start))) return undefined
  const end = skipValue(source, start)
  return end < 0 ? undefined : usageOf(parse(source.slice(start, end)))
}

/** Reads one relayed stream event. Called before the head is released and for chunks that `maySignal`. */
export function readEvent(event: string, data: string, into: EventSignals): void {
  into.usage = undefined
  into.failure = undefined
  into.contentFiltered = false
  into.content = false
  into.terminal = false
  into.usageOnly = false
  if (data === '[DONE]' || data === ' [DONE]') {
    into.terminal = true
    return
  }
  if (data === '') return
  const chunk = parse(data)
  if (typeof chunk !== 'object' || chunk === null) {
    into.failure = badResponse('a stream event is not JSON')
    return
  }
  const body = chunk as Json
  const failed = body['error'] ?? (body['x_groq'] as Json | undefined)?.['error']
  if ((failed !== undefined && failed !== null) || event === 'error') {
    into.failure = failureInside(failed === undefined || failed === null ? body : { error: failed })
    return
  }
  if (body['usage'] !== undefined && body['usage'] !== null) into.usage = usageOf(body['usage'], body['service_tier'])
  const choices = body['choices']
  if (!Array.isArray(choices) || choices.length === 0) {
    into.usageOnly = into.usage !== undefined
    return
  }
  for (const choice of choices as (Json | null)[]) readChoice(choice, into)
}

function readChoice(choice: Json | null, into: EventSignals): void {
  const finish = choice?.['finish_reason']
  if (typeof finish === 'string' && finish !== '') {
    into.terminal = true
    into.content = true
    if (finish === 'content_filter') into.contentFiltered = true
  }
  if (typeof choice?.['text'] === 'string' && choice['text'] !== '') into.content = true
  const delta = choice?.['delta']
  if (typeof delta !== 'object' || delta === null) return
  for (const key in delta) {
    if (key === 'role') continue
    const value = (delta as Json)[key]
    if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) continue
    if (contentKeys.has(key)) {
      into.content = true
      return
    }
  }
}

const contentKeys: ReadonlySet<string> = new Set([
  'content',
  'tool_calls',
  'function_call',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'refusal',
  'audio',
  'images',
  'thinking_blocks',
])

/**
 * Cheap test on raw bytes: can these events hold anything but plain content? Usage, an error, a finish or `[DONE]`
 * always leaves one of these texts; inside content the quote would be escaped. Broken off events are noticed by their
 * end. The texts start with a letter, not with
 * the quote, because the search stops at each first character (half the time in a chunk full of quotes).
 */
export function maySignal(chunk: Buffer): boolean {
  const text = chunk.toString('latin1')
  return (
    valued(text, 'finish_reason"') ||
    valued(text, 'usage"') ||
    text.includes('error"') ||
    text.includes('[DONE]') ||
    text.includes('event:') ||
    hasOddEvent(text)
  )
}

const COLON = 0x3a
const SPACE = 0x20
const START_OF_NULL = 0x6e

/** True when `key` occurs with a value other than null. */
function valued(text: string, key: string): boolean {
  for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + key.length)) {
    let value = at + key.length
    while (text.charCodeAt(value) === SPACE || text.charCodeAt(value) === COLON) value++
    if (text.charCodeAt(value) !== START_OF_NULL) return true
  }
  return false
}
