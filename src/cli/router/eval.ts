import { readFileSync } from 'node:fs'
import { readArtifact } from '../../learning/artifact/artifact.ts'
import { DatasetError } from '../../learning/dataset/problems.ts'
import type { ModelFacts } from '../../learning/dataset.ts'
import { crossValidate, type EvaluateOptions, evaluateRouter } from '../../learning/evaluation/evaluate.ts'
import type { EvaluationReport } from '../../learning/evaluation/report.ts'
import type { Command } from './command.ts'
import { dataOptions, dataSettings, dataUsage, openData, refuseOneGroup } from './data.ts'
import { methodsOf } from './methods.ts'
import { Misuse, oneOf, readOptions, wholeNumber } from './misuse.ts'
import { type Output, Progress } from './output.ts'
import { giveReport, reportOptions, reportUsage } from './report-output.ts'
import { trainer, trainerOptions, trainerSettings, trainerUsage } from './trainer.ts'

const usage = `routeiq router eval: how good is a router, and is it better than none?

  routeiq router eval --train <file>                     cross-validation: every row by a router that has not seen it
  routeiq router eval --train <file> --test <file>       trained on one file, scored on the other
  routeiq router eval --artifact <file> --test <file>    an artifact as it is

  --methods <names>        comma-separated, or all; the first one is judged (default average)
  --folds <number>         of the cross-validation, and of calibration within it (default 5)
  --fold-by <group|id>     what stays on one side (default: group where data have groups, else id)
  --unseen-tasks           train once more per task without it: what happens to prompts of a new kind
  --resamples <number>     for standard errors (default 200)
${trainerUsage}${dataUsage}${reportUsage}`

const options = {
  train: { type: 'string', multiple: true },
  test: { type: 'string', multiple: true },
  artifact: { type: 'string' },
  methods: { type: 'string' },
  'fold-by': { type: 'string' },
  'unseen-tasks': { type: 'boolean' },
  resamples: { type: 'string' },
  folds: { type: 'string' },
  ...trainerOptions,
  ...dataOptions,
  ...reportOptions,
} as const

export const evalCommand: Command = {
  usage,
  async run(argv, _env, output) {
    const { values, positionals } = readOptions(argv, options)
    if (positionals.length > 0)
      throw new Misuse(`unexpected argument: ${positionals[0]} (data goes with --train or --test)`)
    return giveReport(await evaluate(values, output), values, output)
  },
}

type Values = ReturnType<typeof readOptions<typeof options>>['values']

async function evaluate(values: Values, output: Output): Promise<EvaluationReport> {
  const { train, test } = values
  const data = dataSettings(values)
  const training = trainerSettings(values)
  const progress = new Progress(output)
  const how: EvaluateOptions = {
    methods: methodsOf(values.methods),
    seed: training.seed,
    resamples: wholeNumber('resamples', values.resamples, 200, 2, 10_000),
    now: new Date(),
    onProgress: (done, of, doing) => progress.show(done, of, doing),
  }
  try {
    if (values.artifact !== undefined) {
      if (train !== undefined) throw new Misuse('--artifact is already trained: leave --train away')
      if (test === undefined) throw new Misuse('--artifact needs --test: the rows to score it on')
      const router = readArtifact(readFileSync(values.artifact))
      const unknown = how.methods.filter(method => !router.methods.includes(method))
      if (unknown.length > 0)
        throw new Misuse(
          `${values.artifact} was trained without ${unknown.join(', ')}; it has ${router.methods.join(', ')}`,
        )
      const scored = await openData(test, data, output, 'test')
      refuseStrangers(router.models, scored.models, output)
      return evaluateRouter(router, scored, undefined, how)
    }
    if (train === undefined) throw new Misuse('give --train, or --artifact with --test')
    const folds = wholeNumber('folds', values.folds, 5, 2, 100)
    const learn = trainer({ ...training, methods: how.methods, folds })
    if (test === undefined) {
      const by =
        values['fold-by'] === undefined ? undefined : oneOf('fold-by', values['fold-by'], ['group', 'id'] as const)
      const dataset = await openData(train, data, output)
      if (by !== 'id') refuseOneGroup(dataset)
      return await crossValidate(dataset, async rows => (await learn(rows)).router, {
        ...how,
        folds,
        unseenTasks: values['unseen-tasks'] === true,
        ...(by !== undefined && { by }),
      })
    }
    const known = await openData(train, data, output, 'train')
    // A sealed part may come without a list of models: it is that of the part it was cut from.
    const like = { name: undefined, models: known.models.map(({ id }) => id), prices: new Map(), hash: undefined }
    const unseen = await openData(test, { ...data, meta: data.meta ?? like }, output, 'test')
    refuseOverlap(known.rows, unseen.rows)
    progress.show(0, 1, 'training')
    const { router } = await learn(known, (share, doing) => progress.show(share, 1, doing))
    return evaluateRouter(router, unseen, known, how)
  } finally {
    progress.end()
  }
}

/** A model that the artifact does not know is never chosen: without a word, a wrong name would look like a bad router. */
function refuseStrangers(known: readonly ModelFacts[], tested: readonly ModelFacts[], output: Output): void {
  const names = new Set(known.map(({ id }) => id))
  const strangers = tested.map(({ id }) => id).filter(id => !names.has(id))
  if (strangers.length === 0) return
  const told = `the artifact does not know ${strangers.join(', ')}; it knows ${[...names].join(', ')}`
  if (strangers.length === tested.length)
    throw new DatasetError(`${told}: use its names in the list of models (--meta) of the test`)
  output.err(`${told}: they are never chosen\n`)
}

/** Rows of the test that were trained on would be answered from memory. */
function refuseOverlap(train: readonly { text: string }[], test: readonly { text: string }[]): void {
  const seen = new Set(train.map(({ text }) => text))
  const both = test.filter(({ text }) => seen.has(text)).length
  if (both > 0)
    throw new DatasetError(
      `${both} of ${test.length} prompts of the test stand in the training data too, so the score would mean nothing: ` +
        'build both with `routeiq router dataset build`, which splits, or give --train alone for cross-validation',
    )
}
