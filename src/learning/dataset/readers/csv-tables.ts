import { type CsvRecord, recordsOf } from '../csv.ts'
import { type Example, type Outcome, tokensByLength } from '../example.ts'
import { cellNumber } from '../fields.ts'
import { BadLine, DatasetError, type Problems } from '../problems.ts'

const charactersPerToken = 4
const costEnding = '|total_cost'
const responseEnding = '|model_response'

/** Which column holds what. */
interface Columns {
  readonly prompt: number
  readonly id: number
  readonly task: number
  readonly models: readonly {
    readonly name: string
    readonly quality: number
    readonly cost: number
    readonly response: number
  }[]
}

/**
 * RouterBench's wide table: `sample_id, prompt, eval_name`, and per model a column of its name (quality),
 * `name|total_cost` (US dollars) and `name|model_response`.
 */
export const readRouterBench = (path: string, problems: Problems): AsyncGenerator<Example> =>
  readWide(path, problems, head => {
    const models = head
      .filter(column => column.endsWith(costEnding))
      .map(column => column.slice(0, -costEnding.length))
      .map(name => column(head, name, 'the quality of this model'))
    if (models.length === 0)
      throw new DatasetError(`${path}:1: no column ends in ${costEnding}: this is not RouterBench's wide table`)
    return {
      prompt: required(path, head, 'prompt'),
      id: head.indexOf('sample_id'),
      task: head.indexOf('eval_name'),
      models,
    }
  })

/** RouteLLM's evaluation tables: `prompt` and a column per model with True or False (or a number 0 to 1). */
export const readRouteLlm = (path: string, problems: Problems): AsyncGenerator<Example> =>
  readWide(path, problems, head => {
    const models = head
      .filter(name => name !== '' && !/^(prompt|index|unnamed.*|id|.*_response|.*\|model_response)$/i.test(name))
      .map(name => column(head, name, 'the quality of this model'))
    if (models.length < 2)
      throw new DatasetError(`${path}:1: expected a column "prompt" and one per model, found ${head.join(', ')}`)
    return { prompt: required(path, head, 'prompt'), id: head.indexOf('id'), task: -1, models }
  })

function column(head: readonly string[], name: string, what: string): Columns['models'][number] {
  const quality = head.indexOf(name)
  if (quality < 0) throw new DatasetError(`there is a column ${name}${costEnding} but none named ${name}: ${what}`)
  const response = head.indexOf(name + responseEnding)
  return {
    name,
    quality,
    cost: head.indexOf(name + costEnding),
    response: response < 0 ? head.indexOf(`${name}_response`) : response,
  }
}

function required(path: string, head: readonly string[], name: string): number {
  const at = head.indexOf(name)
  if (at < 0) throw new DatasetError(`${path}:1: there is no column "${name}"`)
  return at
}

async function* readWide(
  path: string,
  problems: Problems,
  columnsOf: (head: readonly string[]) => Columns,
): AsyncGenerator<Example> {
  let columns: Columns | undefined
  let width = 0
  for await (const record of recordsOf(path)) {
    if (columns === undefined) {
      columns = columnsOf(record.cells.map(cell => cell.trim()))
      width = record.cells.length
      continue
    }
    try {
      yield exampleOf(record, columns, width)
    } catch (error) {
      problems.note(path, record.line, error)
    }
  }
}

function exampleOf({ cells, line }: CsvRecord, columns: Columns, width: number): Example {
  if (cells.length !== width) throw new BadLine(undefined, `has ${cells.length} cells where the head has ${width}`)
  const prompt = promptOf(cells[columns.prompt] ?? '')
  const task = cells[columns.task]?.trim()
  return {
    id: cells[columns.id]?.trim() || `line-${line}`,
    text: prompt,
    ...(task && { task }),
    inputTokens: tokensByLength(prompt),
    outcomes: columns.models.map((model): Outcome => {
      const quality = cellNumber(cells[model.quality] ?? '', model.name)
      if (quality > 1) throw new BadLine(model.name, `must be between 0 and 1, not ${quality}`)
      const response = cells[model.response]
      return {
        model: model.name,
        labels: Number.isNaN(quality) ? [] : [{ source: 'reference', value: quality, weight: 1 }],
        cost: model.cost < 0 ? Number.NaN : cellNumber(cells[model.cost] ?? '', `${model.name}${costEnding}`),
        outputTokens: response === undefined || response === '' ? Number.NaN : response.length / charactersPerToken,
        latency: Number.NaN,
      }
    }),
  }
}

/** RouterBench writes prompts as a Python list with one string in it. */
function promptOf(cell: string): string {
  const list = /^\[(['"])([\s\S]*)\1\]$/.exec(cell.trim())
  const text =
    list?.[2] === undefined ? cell : list[2].replaceAll('\\n', '\n').replaceAll(`\\${list[1]}`, list[1] ?? '')
  if (text.trim() === '') throw new BadLine('prompt', 'is empty')
  return text
}
