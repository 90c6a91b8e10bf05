import { type Label, type LabelSource, labelSources } from '../../labels/label.ts'
import { type PromptShape, plainShape } from '../../prompt.ts'
import { type Example, type Split, tokensByLength } from '../example.ts'
import { amount, isObject, type JsonObject, optionalText, parseObject, perModel, share, text } from '../fields.ts'
import { type Line, linesOf } from '../lines.ts'
import { BadLine, type Problems } from '../problems.ts'

/** Characters per token where only characters of a reply were recorded. */
const charactersPerToken = 4

/**
 * One prompt a line with one number per model: `id, text, q, c, in`, and where known `task, oc` (characters of the
 * replies) or `ot` (tokens), `ms`, `w` (weights), `by` (label sources), `p` (propensities), `system, shape, group, split, at`.
 * The format of published routing tables and of the datasets this gateway writes.
 */
export async function* readRoutingData(
  path: string,
  models: readonly string[],
  problems: Problems,
  onLine?: (line: Line) => void,
): AsyncGenerator<Example> {
  for await (const line of linesOf(path)) {
    onLine?.(line)
    try {
      yield exampleOf(parseObject(line.text), models, line.number)
    } catch (error) {
      problems.note(path, line.number, error)
    }
  }
}

function exampleOf(row: JsonObject, models: readonly string[], line: number): Example {
  const words = text(row, 'text')
  const quality = perModel(row, 'q', models.length, share)
  if (quality === undefined) throw new BadLine('q', 'is missing: the quality of each model, 0 to 1, or null')
  const cost = perModel(row, 'c', models.length, amount)
  const tokens = perModel(row, 'ot', models.length, amount)
  const characters = tokens === undefined ? perModel(row, 'oc', models.length, amount) : undefined
  const latency = perModel(row, 'ms', models.length, amount)
  const weight = perModel(row, 'w', models.length, share)
  const propensity = perModel(row, 'p', models.length, share)
  const by = row['by']
  const system = optionalText(row, 'system')
  const group = optionalText(row, 'group')
  const task = optionalText(row, 'task')
  const split = splitOf(row['split'])
  const at = amount(row['at'], 'at')
  const input = amount(row['in'], 'in')
  const shape = isObject(row['shape']) ? shapeOf(row['shape']) : undefined
  return {
    id: optionalText(row, 'id') ?? `line-${line}`,
    text: words,
    ...(system !== undefined && { system }),
    ...(shape !== undefined && { shape }),
    ...(group !== undefined && { group }),
    ...(task !== undefined && { task }),
    ...(split !== undefined && { split }),
    ...(!Number.isNaN(at) && { at }),
    inputTokens: Number.isNaN(input) ? tokensByLength((system ?? '') + words) : input,
    outcomes: models.map((model, index) => ({
      model,
      labels: labelsOf(quality[index] ?? Number.NaN, weight?.[index], Array.isArray(by) ? by[index] : undefined),
      cost: cost?.[index] ?? Number.NaN,
      outputTokens: tokens?.[index] ?? (characters?.[index] ?? Number.NaN) / charactersPerToken,
      latency: latency?.[index] ?? Number.NaN,
      ...(propensity !== undefined && (propensity[index] ?? 0) > 0 && { propensity: propensity[index] as number }),
    })),
  }
}

function labelsOf(value: number, weight: number | undefined, by: unknown): Label[] {
  if (Number.isNaN(value)) return []
  const known = weight === undefined || Number.isNaN(weight) ? 1 : weight
  return [{ source: isSource(by) ? by : 'reference', value, weight: known }]
}

const isSource = (value: unknown): value is LabelSource => (labelSources as readonly unknown[]).includes(value)

function splitOf(value: unknown): Split | undefined {
  if (value === undefined || value === null) return undefined
  if (value !== 'train' && value !== 'test') throw new BadLine('split', 'must be "train" or "test"')
  return value
}

/** Only what differs from a plain prompt is written. */
function shapeOf(object: JsonObject): PromptShape {
  const shape: { [field: string]: unknown } = { ...plainShape }
  for (const [field, plain] of Object.entries(plainShape)) {
    const value = object[field]
    if (value === undefined || value === null) continue
    const wanted = plain === undefined ? 'number' : typeof plain
    if (typeof value !== wanted) throw new BadLine(`shape.${field}`, `must be a ${wanted}`)
    shape[field] = value
  }
  return shape as unknown as PromptShape
}
