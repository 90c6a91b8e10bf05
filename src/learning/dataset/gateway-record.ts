import { type Label, type LabelSource, labelSources } from '../labels/label.ts'
import type { PromptShape } from '../prompt.ts'
import { amount, isObject, type JsonObject, optionalText, parseObject, share, text } from './fields.ts'
import { BadLine } from './problems.ts'

/**
 * One call of the gateway, with what routing decided, what it cost and what was said of it: decision log, ledger and
 * feedback joined. One object a line (JSONL); names are those of the API.
 */
export interface GatewayRecord {
  readonly format: 'routeiq.routing_record.v1'
  readonly requestId: string
  /** Epoch ms. */
  readonly at: number
  /** Of the public model name or route. */
  readonly route: string
  /** Calls of one session belong together. A hash, never what the caller sent. */
  readonly session: string | undefined
  /** Only where capture is switched on. */
  readonly prompt: { readonly text: string; readonly system: string } | undefined
  readonly shape: PromptShape | undefined
  /** Of the prompt: float32, base64. */
  readonly features: string | undefined
  readonly strategy: string
  readonly model: string
  readonly candidates: readonly { readonly model: string; readonly quality: number; readonly cost: number }[]
  readonly explored: boolean
  readonly propensity: number
  readonly lambda: number
  readonly artifact: string | undefined
  readonly policy: string
  readonly status: 'success' | 'failure'
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
  /** US dollars. */
  readonly cost: number | undefined
  /** Milliseconds. */
  readonly latency: number | undefined
  readonly labels: readonly Label[]
}

/** One line, with its newline. */
export function writeGatewayRecord(record: GatewayRecord): string {
  const line = {
    format: record.format,
    request_id: record.requestId,
    at: record.at,
    route: record.route,
    session: record.session,
    prompt: record.prompt,
    shape: record.shape,
    features: record.features,
    strategy: record.strategy,
    model: record.model,
    candidates: record.candidates,
    explored: record.explored,
    propensity: record.propensity,
    lambda: record.lambda,
    artifact: record.artifact,
    policy: record.policy,
    status: record.status,
    input_tokens: record.inputTokens,
    output_tokens: record.outputTokens,
    cost: record.cost,
    latency_ms: record.latency,
    labels: record.labels,
  }
  return `${JSON.stringify(line)}\n`
}

/** @throws BadLine */
export function readGatewayRecord(line: string): GatewayRecord {
  const row = parseObject(line)
  if (row['format'] !== 'routeiq.routing_record.v1') throw new BadLine('format', 'must be "routeiq.routing_record.v1"')
  const status = row['status']
  if (status !== 'success' && status !== 'failure') throw new BadLine('status', 'must be "success" or "failure"')
  const prompt = isObject(row['prompt']) ? row['prompt'] : undefined
  const candidates = row['candidates'] ?? []
  const labels = row['labels'] ?? []
  if (!Array.isArray(candidates)) throw new BadLine('candidates', 'must be a list')
  if (!Array.isArray(labels)) throw new BadLine('labels', 'must be a list')
  return {
    format: 'routeiq.routing_record.v1',
    requestId: text(row, 'request_id'),
    at: must(amount(row['at'], 'at'), 'at'),
    route: optionalText(row, 'route') ?? '',
    session: optionalText(row, 'session'),
    prompt: prompt && { text: text(prompt, 'text'), system: optionalText(prompt, 'system') ?? '' },
    shape: isObject(row['shape']) ? (row['shape'] as unknown as PromptShape) : undefined,
    features: optionalText(row, 'features'),
    strategy: optionalText(row, 'strategy') ?? '',
    model: text(row, 'model'),
    candidates: candidates.map(candidateOf),
    explored: row['explored'] === true,
    propensity: must(share(row['propensity'], 'propensity'), 'propensity'),
    lambda: orZero(amount(row['lambda'], 'lambda')),
    artifact: optionalText(row, 'artifact'),
    policy: optionalText(row, 'policy') ?? '',
    status,
    inputTokens: known(amount(row['input_tokens'], 'input_tokens')),
    outputTokens: known(amount(row['output_tokens'], 'output_tokens')),
    cost: known(amount(row['cost'], 'cost')),
    latency: known(amount(row['latency_ms'], 'latency_ms')),
    labels: labels.map(labelOf),
  }
}

function candidateOf(value: unknown, at: number): GatewayRecord['candidates'][number] {
  const field = `candidates[${at}]`
  if (!isObject(value)) throw new BadLine(field, 'must be an object')
  return {
    model: text(value, 'model'),
    quality: orZero(share(value['quality'], `${field}.quality`)),
    cost: orZero(amount(value['cost'], `${field}.cost`)),
  }
}

function labelOf(value: unknown, at: number): Label {
  const field = `labels[${at}]`
  if (!isObject(value)) throw new BadLine(field, 'must be an object')
  return {
    source: sourceOf(value, field),
    value: must(share(value['value'], `${field}.value`), `${field}.value`),
    weight: must(share(value['weight'], `${field}.weight`), `${field}.weight`),
    ...(value['necessary'] === true && { necessary: true }),
  }
}

function sourceOf(value: JsonObject, field: string): LabelSource {
  const source = labelSources.find(known => known === value['source'])
  if (source === undefined) throw new BadLine(`${field}.source`, `must be one of ${labelSources.join(', ')}`)
  return source
}

function must(value: number, field: string): number {
  if (Number.isNaN(value)) throw new BadLine(field, 'is missing')
  return value
}

const known = (value: number): number | undefined => (Number.isNaN(value) ? undefined : value)
const orZero = (value: number): number => (Number.isNaN(value) ? 0 : value)
