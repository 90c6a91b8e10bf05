import { recordsOf } from './csv.ts'
import type { Example } from './example.ts'
import { isObject } from './fields.ts'
import { linesOf } from './lines.ts'
import { findMeta, type Meta, readMeta } from './meta.ts'
import { DatasetError, type Problems } from './problems.ts'
import { readRouteLlm, readRouterBench } from './readers/csv-tables.ts'
import { readGateway } from './readers/gateway.ts'
import { readLlmRouter } from './readers/llmrouter.ts'
import { readRoutingData } from './readers/routing-data.ts'
import { readTraces } from './readers/traces.ts'

/**
 * What data can be in: this gateway's datasets and published routing tables, LLMRouter's routing lines, RouterBench's
 * and RouteLLM's tables, the gateway's own export, traces (OTLP or Jaeger JSON).
 */
export const formats = ['routing-data', 'llmrouter', 'routerbench', 'routellm', 'gateway', 'traces'] as const
export type Format = (typeof formats)[number]

/** By the file's name and its first line. @throws DatasetError when nothing fits */
export async function detectFormat(path: string): Promise<Format> {
  if (/\.csv(\.gz)?$/i.test(path)) {
    for await (const { cells } of recordsOf(path))
      return cells.some(cell => cell.trim().endsWith('|total_cost')) ? 'routerbench' : 'routellm'
    throw new DatasetError(`${path} is empty`)
  }
  for await (const { text } of linesOf(path)) {
    let row: unknown
    try {
      row = JSON.parse(text)
    } catch {
      // A document over several lines, which only traces are.
      return 'traces'
    }
    if (!isObject(row)) break
    if (row['format'] === 'routeiq.routing_record.v1') return 'gateway'
    if ('resourceSpans' in row || ('data' in row && Array.isArray(row['data'])) || 'spans' in row) return 'traces'
    if ('q' in row && 'text' in row) return 'routing-data'
    if ('query' in row && 'model_name' in row) return 'llmrouter'
    break
  }
  throw new DatasetError(
    `${path}: not a format we know by its first line: say which with --format (${formats.join(', ')})`,
  )
}

/** @param meta of routing data, where none stands beside the file */
export function readExamples(path: string, format: Format, problems: Problems, meta?: Meta): AsyncGenerator<Example> {
  switch (format) {
    case 'routing-data': {
      const found = findMeta(path)
      const own = found === undefined ? meta : readMeta(found)
      if (own === undefined)
        throw new DatasetError(`${path}: the order of models is not known: its .meta.json is missing`)
      return readRoutingData(path, own.models, problems)
    }
    case 'llmrouter':
      return readLlmRouter(path, problems)
    case 'routerbench':
      return readRouterBench(path, problems)
    case 'routellm':
      return readRouteLlm(path, problems)
    case 'gateway':
      return readGateway(path, problems)
    case 'traces':
      return readTraces(path, problems)
  }
}
