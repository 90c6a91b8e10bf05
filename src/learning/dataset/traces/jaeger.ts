import { isObject, type JsonObject } from '../fields.ts'
import type { Span } from './span.ts'

/** Spans of one answer of Jaeger's query API (`data` → `spans`); times there are microseconds. */
export function* jaegerSpans(document: JsonObject): Generator<Span> {
  const traces = Array.isArray(document['data']) ? list(document['data']) : [document]
  for (const trace of traces) for (const span of list(trace['spans'])) yield spanOf(span)
}

function spanOf(span: JsonObject): Span {
  const attributes = fieldsOf(span['tags'])
  return {
    name: String(span['operationName'] ?? ''),
    start: Number(span['startTime'] ?? 0) / 1000,
    duration: Number(span['duration'] ?? 0) / 1000,
    failed: attributes.get('error') === true || attributes.get('otel.status_code') === 'ERROR',
    attributes,
    events: list(span['logs']).map(log => {
      const fields = fieldsOf(log['fields'])
      return { name: String(fields.get('event') ?? fields.get('name') ?? ''), attributes: fields }
    }),
  }
}

const fieldsOf = (value: unknown): Map<string, unknown> =>
  new Map(list(value).map(field => [String(field['key']), field['value']]))

const list = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])
