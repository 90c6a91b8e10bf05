import { markdownTable } from '../../learning/dataset/markdown.ts'
import { crossValidate } from '../../learning/evaluation/evaluate.ts'
import { reportJson } from '../../learning/evaluation/render/json.ts'
import { resultsTable } from '../../learning/evaluation/render/results-table.ts'
import { heading } from '../../learning/evaluation/render/text.ts'
import { textTable } from '../../learning/evaluation/render/text-table.ts'
import type { EvaluationReport } from '../../learning/evaluation/report.ts'
import type { Command } from './command.ts'
import { dataOptions, dataSettings, dataUsage, openData } from './data.ts'
import { methodsOf } from './methods.ts'
import { Misuse, oneOf, readOptions, wholeNumber } from './misuse.ts'
import { Progress } from './output.ts'
import { trainer, trainerOptions, trainerSettings, trainerUsage } from './trainer.ts'

const usage = `routeiq router compare <data…>: all methods on each of several data files, by cross-validation

  --methods <names>        comma-separated, or all (default all)
  --folds <number>         default 5
  --fold-by <group|id>     default: group where data have groups, else id
  --resamples <number>     for standard errors (default 200)
  --markdown               tables for a document
  --json                   one report a line
${trainerUsage}${dataUsage}`

const options = {
  methods: { type: 'string' },
  folds: { type: 'string' },
  'fold-by': { type: 'string' },
  resamples: { type: 'string' },
  markdown: { type: 'boolean' },
  json: { type: 'boolean' },
  ...trainerOptions,
  ...dataOptions,
} as const

export const compareCommand: Command = {
  usage,
  async run(argv, _env, output) {
    const { values, positionals } = readOptions(argv, options)
    if (positionals.length === 0) throw new Misuse('give the data files to compare on')
    const methods = methodsOf(values.methods ?? 'all')
    const settings = trainerSettings(values)
    const data = dataSettings(values)
    const folds = wholeNumber('folds', values.folds, 5, 2, 100)
    const resamples = wholeNumber('resamples', values.resamples, 200, 2, 10_000)
    const by =
      values['fold-by'] === undefined ? undefined : oneOf('fold-by', values['fold-by'], ['group', 'id'] as const)
    const learn = trainer({ ...settings, methods, folds })
    for (const path of positionals) {
      const dataset = await openData([path], data, output)
      const progress = new Progress(output)
      try {
        const report = await crossValidate(dataset, async rows => (await learn(rows)).router, {
          methods,
          seed: settings.seed,
          resamples,
          now: new Date(),
          folds,
          ...(by !== undefined && { by }),
          onProgress: (done, of, doing) => progress.show(done, of, `${dataset.name}: ${doing}`),
        })
        progress.end()
        output.out(
          values.json === true ? `${JSON.stringify(reportJson(report))}\n` : told(report, values.markdown === true),
        )
      } finally {
        progress.end()
      }
    }
    return 0
  },
}

function told(report: EvaluationReport, markdown: boolean): string {
  const table = resultsTable(report)
  return markdown
    ? `### ${report.name}\n\n${heading(report)}\n\n${markdownTable(table)}\n\n`
    : `${heading(report)}\n\n${textTable(table)}\n\n`
}
