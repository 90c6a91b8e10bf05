import { isObject, type JsonObject } from '../fields.ts'
import type { Span } from './span.ts'

/** Spans of one OTLP/JSON object (`resourceSpans` → `scopeSpans` → `spans`), as the collector's file exporter writes it. */
export function* otlpSpans(document: JsonObject): Generator<Span> {
  for (const resource of list(document['resourceSpans']))
    for (const scope of [...list(resource['scopeSpans']), ...list(resource['instrumentationLibrarySpans'])])
      for (const span of list(scope['spans'])) yield spanOf(span)
}

function spanOf(span: JsonObject): Span {
  const [start, end] = [nanoseconds(span['startTimeUnixNano']), nanoseconds(span['endTimeUnixNano'])]
  const status = isObject(span['status']) ? span['status']['code'] : undefined
  return {
    name: String(span['name'] ?? ''),
    start: Number(start / 1000n) / 1000,
    duration: end > start ? Number(end - start) / 1e6 : 0,
    failed: status === 2 || status === 'STATUS_CODE_ERROR',
    attributes: attributesOf(span['attributes']),
    events: list(span['events']).map(event => ({
      name: String(event['name'] ?? ''),
      attributes: attributesOf(event['attributes']),
    })),
  }
}

/** More digits than a number holds: the difference of two would be off by a quarter of a microsecond. */
const nanoseconds = (value: unknown): bigint =>
  (typeof value === 'string' && /^\d+$/.test(value)) || Number.isSafeInteger(value)
    ? BigInt(value as string | number)
    : 0n

const attributesOf = (value: unknown): Map<string, unknown> =>
  new Map(list(value).map(({ key, value }) => [String(key), plain(value)]))

/** An `AnyValue` as the value in it. */
function plain(value: unknown): unknown {
  if (!isObject(value)) return undefined
  if ('stringValue' in value) return value['stringValue']
  if ('intValue' in value) return Number(value['intValue'])
  if ('doubleValue' in value) return value['doubleValue']
  if ('boolValue' in value) return value['boolValue']
  if (isObject(value['arrayValue'])) return list(value['arrayValue']['values']).map(plain)
  if (isObject(value['kvlistValue']))
    return Object.fromEntries(list(value['kvlistValue']['values']).map(({ key, value }) => [String(key), plain(value)]))
  return undefined
}

const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])
