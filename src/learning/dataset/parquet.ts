import { rmSync } from 'node:fs'
import { qualityOf } from '../labels/label.ts'
import type { Example } from './example.ts'
import { findMeta, readMeta } from './meta.ts'
import { DatasetError, type Problems } from './problems.ts'
import { readRoutingData } from './readers/routing-data.ts'

/** Not a dependency of the gateway: loaded where somebody exports. */
const library = 'hyparquet-writer'
/** Rows held in memory and written as one row group. */
const groupSize = 10_000

/** As much of the library as is used. */
interface Library {
  fileWriter(path: string): unknown
  schemaFromColumnData(input: { columnData: readonly Column[] }): unknown
  ParquetWriter: new (options: {
    writer: unknown
    schema: unknown
  }) => {
    write(input: { columnData: readonly Column[]; rowGroupSize: number }): unknown
    finish(): unknown
  }
}

interface Column {
  readonly name: string
  readonly type: 'STRING' | 'DOUBLE' | 'TIMESTAMP'
  readonly nullable: boolean
  readonly data: unknown[]
}

/**
 * A dataset as Parquet, for training elsewhere: a row per prompt, columns `quality.<model>`, `weight.<model>`,
 * `cost.<model>`, `output_tokens.<model>`, `latency_ms.<model>`. Streams, a row group at a time.
 *
 * @returns rows written @throws DatasetError where the library is not installed
 */
export async function exportParquet(path: string, out: string, problems: Problems): Promise<number> {
  const metaPath = findMeta(path)
  if (metaPath === undefined) throw new DatasetError(`${path}: its .meta.json is missing: build the dataset first`)
  const { models } = readMeta(metaPath)
  const { fileWriter, ParquetWriter, schemaFromColumnData } = await load()
  const writer = new ParquetWriter({
    writer: fileWriter(out),
    schema: schemaFromColumnData({ columnData: columnsOf([], models) }),
  })
  let rows = 0
  let group: Example[] = []
  const write = async (): Promise<void> => {
    if (group.length === 0) return
    await writer.write({ columnData: columnsOf(group, models), rowGroupSize: groupSize })
    rows += group.length
    group = []
  }
  try {
    for await (const example of readRoutingData(path, models, problems)) {
      group.push(example)
      if (group.length === groupSize) await write()
    }
    await write()
    await writer.finish()
  } catch (error) {
    rmSync(out, { force: true })
    throw error
  }
  return rows
}

async function load(): Promise<Library> {
  try {
    return (await import(library)) as Library
  } catch {
    throw new DatasetError(`Parquet needs the package ${library}, which is not installed: npm install ${library}`)
  }
}

function columnsOf(examples: readonly Example[], models: readonly string[]): Column[] {
  const column = (name: string, type: Column['type'], value: (example: Example) => unknown): Column => ({
    name,
    type,
    nullable: true,
    data: examples.map(example => value(example) ?? null),
  })
  const number = (value: number | undefined): number | undefined =>
    value === undefined || Number.isNaN(value) ? undefined : value
  return [
    column('id', 'STRING', ({ id }) => id),
    column('text', 'STRING', ({ text }) => text),
    column('system', 'STRING', ({ system }) => system),
    column('task', 'STRING', ({ task }) => task),
    column('group', 'STRING', ({ group }) => group),
    column('split', 'STRING', ({ split }) => split),
    column('at', 'TIMESTAMP', ({ at }) => (at === undefined ? undefined : new Date(at))),
    column('input_tokens', 'DOUBLE', ({ inputTokens }) => number(inputTokens)),
    ...models.flatMap((model, at) => [
      column(`quality.${model}`, 'DOUBLE', ({ outcomes }) => qualityOf(outcomes[at]?.labels ?? [])?.value),
      column(`weight.${model}`, 'DOUBLE', ({ outcomes }) => qualityOf(outcomes[at]?.labels ?? [])?.weight),
      column(`cost.${model}`, 'DOUBLE', ({ outcomes }) => number(outcomes[at]?.cost)),
      column(`output_tokens.${model}`, 'DOUBLE', ({ outcomes }) => number(outcomes[at]?.outputTokens)),
      column(`latency_ms.${model}`, 'DOUBLE', ({ outcomes }) => number(outcomes[at]?.latency)),
    ]),
  ]
}
