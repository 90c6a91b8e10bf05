import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { buildDataset } from '../../learning/dataset/build.ts'
import { baseName } from '../../learning/dataset/meta.ts'
import { exportParquet } from '../../learning/dataset/parquet.ts'
import { Problems } from '../../learning/dataset/problems.ts'
import { checkLabels } from './checks.ts'
import type { Command } from './command.ts'
import { dataOptions, dataSettings, dataUsage, tellProblems } from './data.ts'
import { decimal, Misuse, readOptions } from './misuse.ts'
import { type Output, Progress } from './output.ts'

const usage = `routeiq router dataset: datasets to train on

  routeiq router dataset build <data…> --out <name>.jsonl.gz   join, de-duplicate, label, group, split, with a card
  routeiq router dataset card <name>.jsonl.gz                  show its card
  routeiq router dataset export <name>.jsonl.gz --out <file>.parquet

Build:
  --name <text>            default: the file's
  --test-share <share>     of the test part (default 0.2)
  --check <check>          label answers that the data hold; may be repeated (routeiq router probe --help lists checks)
  --keep-unlabelled        keep prompts without a label, to label them later
  --json                   print the card as JSON
${dataUsage}`

const options = {
  out: { type: 'string' },
  name: { type: 'string' },
  'test-share': { type: 'string' },
  check: { type: 'string', multiple: true },
  'keep-unlabelled': { type: 'boolean' },
  json: { type: 'boolean' },
  ...dataOptions,
} as const

type Values = ReturnType<typeof readOptions<typeof options>>['values']

export const datasetCommand: Command = {
  usage,
  async run(argv, _env, output) {
    const { values, positionals } = readOptions(argv, options)
    const [action, ...paths] = positionals
    switch (action) {
      case 'build':
        return build(paths, values, output)
      case 'card':
        return showCard(paths, values, output)
      case 'export':
        return exportData(paths, values, output)
      default:
        throw new Misuse(action === undefined ? 'say build, card or export' : `unknown command: dataset ${action}`)
    }
  },
}

async function build(paths: readonly string[], values: Values, output: Output): Promise<number> {
  if (paths.length === 0) throw new Misuse('give the data to build from')
  if (values.out === undefined) throw new Misuse('give --out <name>.jsonl.gz')
  const data = dataSettings(values)
  const problems = new Problems(data.badLines)
  const progress = new Progress(output)
  const label = checkLabels(values.check ?? [])
  try {
    const { card, path } = await buildDataset(paths, {
      out: values.out,
      name: values.name ?? basename(baseName(values.out)),
      problems,
      now: new Date(),
      testShare: decimal('test-share', values['test-share'], 0.2, 0, 1),
      keepUnlabelled: values['keep-unlabelled'] === true,
      ...(data.format !== undefined && { format: data.format }),
      ...(data.meta !== undefined && { meta: data.meta }),
      ...(data.prices !== undefined && { prices: data.prices }),
      ...(label !== undefined && {
        label: async (example, { response }) =>
          response === undefined
            ? []
            : label(
                { text: response, toolCalls: [], finishReason: undefined },
                { reference: example.reference, tools: [] },
              ),
      }),
      onProgress: examples => progress.show(0, 0, `${examples} examples read`),
    })
    progress.end()
    output.err(`${path}: ${card.rows} prompts × ${card.models.length} models, version ${card.version}\n`)
    output.out(values.json === true ? `${JSON.stringify(card)}\n` : readFileSync(`${baseName(path)}.card.md`, 'utf8'))
    return 0
  } finally {
    progress.end()
    tellProblems(problems, output)
  }
}

function showCard(paths: readonly string[], values: Values, output: Output): number {
  const [path, ...rest] = paths
  if (path === undefined || rest.length > 0) throw new Misuse('give one dataset')
  const file = `${baseName(path)}${values.json === true ? '.meta.json' : '.card.md'}`
  if (!existsSync(file)) throw new Misuse(`there is no ${file}: build the dataset with routeiq router dataset build`)
  output.out(readFileSync(file, 'utf8'))
  return 0
}

async function exportData(paths: readonly string[], values: Values, output: Output): Promise<number> {
  const [path, ...rest] = paths
  if (path === undefined || rest.length > 0) throw new Misuse('give one dataset')
  if (values.out === undefined || !values.out.endsWith('.parquet')) throw new Misuse('give --out <file>.parquet')
  const { badLines } = dataSettings(values)
  const problems = new Problems(badLines)
  const rows = await exportParquet(path, values.out, problems)
  tellProblems(problems, output)
  output.err(`${values.out}: ${rows} rows\n`)
  return 0
}
