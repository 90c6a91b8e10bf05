import type { Example } from '../example.ts'
import { isObject, type JsonObject } from '../fields.ts'
import { linesOf, textOf } from '../lines.ts'
import { BadLine, DatasetError, type Problems } from '../problems.ts'
import { exampleOfSpan } from '../traces/inference.ts'
import { jaegerSpans } from '../traces/jaeger.ts'
import { otlpSpans } from '../traces/otlp.ts'

/** A document over many lines has to be held whole. Characters. */
const longestDocument = 400 * 1024 * 1024

/** Traces with GenAI spans: OTLP or Jaeger JSON, one document a line or one for the whole file. */
export async function* readTraces(path: string, problems: Problems): AsyncGenerator<Example> {
  for await (const { document, line } of documentsOf(path, problems)) {
    const spans = 'resourceSpans' in document ? otlpSpans(document) : jaegerSpans(document)
    for (const span of spans) {
      try {
        const example = exampleOfSpan(span)
        if (example !== undefined) yield example
      } catch (error) {
        problems.note(path, line, error)
      }
    }
  }
}

interface Document {
  readonly document: JsonObject
  readonly line: number
}

async function* documentsOf(path: string, problems: Problems): AsyncGenerator<Document> {
  let first = true
  for await (const line of linesOf(path)) {
    const document = parse(line.text)
    if (document === undefined && first) {
      yield await wholeOf(path)
      return
    }
    first = false
    if (document === undefined) problems.note(path, line.number, new BadLine(undefined, 'not a JSON object'))
    else yield { document, line: line.number }
  }
}

async function wholeOf(path: string): Promise<Document> {
  let text = ''
  for await (const piece of textOf(path)) {
    text += piece
    if (text.length > longestDocument)
      throw new DatasetError(`${path}: a JSON document over several lines and over 400 MB: export one document a line`)
  }
  const document = parse(text)
  if (document === undefined) throw new DatasetError(`${path}: neither JSON nor one JSON object a line`)
  return { document, line: 1 }
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
