import { writeFileSync } from 'node:fs'
import { buildDataset } from '../../../learning/dataset/build.ts'
import { loadDataset } from '../../../learning/dataset/load.ts'
import { DatasetError, Problems } from '../../../learning/dataset/problems.ts'
import { crossValidate } from '../../../learning/evaluation/evaluate.ts'
import { methods as everyMethod } from '../../../learning/predictor.ts'
import { checkLabels, checkUsage } from '../checks.ts'
import type { Command } from '../command.ts'
import { tellProblems } from '../data.ts'
import { methodsOf } from '../methods.ts'
import { decimal, Misuse, readOptions, wholeNumber } from '../misuse.ts'
import { type Output, Progress } from '../output.ts'
import { giveReport, reportOptions, reportUsage } from '../report-output.ts'
import { writeWhole } from '../train.ts'
import { trainer, trainerOptions, trainerSettings, trainerUsage } from '../trainer.ts'
import { AnswerFile } from './answers.ts'
import { CallFailed, GatewayClient } from './gateway-client.ts'
import { startOwnGateway } from './own-gateway.ts'
import { type ProbePrompt, readPrompts } from './prompts.ts'
import { runPool } from './run-pool.ts'
import { type Scored, score } from './score.ts'

const usage = `routeiq router probe: put your prompts to your models, score the answers, train a router

  routeiq router probe --config config.yaml --prompts prompts.jsonl --models a,b,c --check contains --out router.routeiq
  routeiq router probe --url http://localhost:4000 --prompts prompts.txt --models a,b,c --judge d --out router.routeiq

  --config, -c <file>      starts a gateway with this config for the time of the probe
  --url <url>              a gateway that runs                (key: --key, or env ROUTEIQ_API_KEY, LITELLM_MASTER_KEY)
  --prompts <file>         a prompt a line (.txt), or JSON lines: prompt, and where known system, reference, task, tools
  --models <names>         comma-separated: the pool
  --check <check>          how answers are scored; may be repeated
  --judge <model>          compares answers in pairs, each pair twice with positions swapped
  --out <file>             the artifact; the dataset and the answers are written beside it
  --answers <file>         answers, so that a stopped probe goes on (default <out>.answers.jsonl; plain text)
  --limit <number>         first prompts only
  --concurrency <number>   calls at a time (default 4)
  --max-tokens <number>    of an answer (default 1024)
  --temperature <number>   default: the models' own
  --timeout <seconds>      of a call (default 120)
  --methods <names>        comma-separated, or all; the first one is judged (default average, and all are trained)
  --dataset-only           score, do not train
${checkUsage}${trainerUsage}${reportUsage}`

const options = {
  config: { type: 'string', short: 'c' },
  url: { type: 'string' },
  key: { type: 'string' },
  prompts: { type: 'string' },
  models: { type: 'string' },
  check: { type: 'string', multiple: true },
  judge: { type: 'string' },
  out: { type: 'string' },
  answers: { type: 'string' },
  limit: { type: 'string' },
  concurrency: { type: 'string' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  timeout: { type: 'string' },
  methods: { type: 'string' },
  'dataset-only': { type: 'boolean' },
  ...trainerOptions,
  ...reportOptions,
} as const

type Values = ReturnType<typeof readOptions<typeof options>>['values']

export const probeCommand: Command = {
  usage,
  async run(argv, env, output) {
    const { values, positionals } = readOptions(argv, options)
    if (positionals.length > 0) throw new Misuse(`unexpected argument: ${positionals[0]}`)
    const settings = settingsOf(values, env)
    const problems = new Problems()
    const prompts = await readPrompts(settings.prompts, settings.limit, problems)
    tellProblems(problems, output)
    if (prompts.length === 0) throw new DatasetError(`${settings.prompts} holds no prompt`)
    const scored = await askAndScore(prompts, settings, env, output)
    const dataset = await writeDataset(scored, settings)
    output.err(`${dataset}: ${scored.length} prompts × ${settings.models.length} models\n`)
    if (values['dataset-only'] === true) return 0
    return learn(dataset, settings, values, output)
  },
}

type Settings = ReturnType<typeof settingsOf>

/** Everything is checked before the first call costs money. */
function settingsOf(values: Values, env: NodeJS.ProcessEnv) {
  const models = [
    ...new Set(
      (values.models ?? '')
        .split(',')
        .map(name => name.trim())
        .filter(Boolean),
    ),
  ]
  const { prompts, out, config, url } = values
  if (prompts === undefined) throw new Misuse('give --prompts: the file with your prompts')
  if (models.length < 2) throw new Misuse('give --models: at least two names of models or groups, comma-separated')
  if (out === undefined) throw new Misuse('give --out: where to write the artifact')
  if ((config === undefined) === (url === undefined)) throw new Misuse('give one of --config and --url')
  const check = checkLabels(values.check ?? [])
  if (check === undefined && values.judge === undefined)
    throw new Misuse('say how answers are scored: --check, or --judge <model>')
  return {
    prompts,
    models,
    out,
    config,
    url: url?.replace(/\/+$/, '').replace(/\/v1$/, ''),
    key: values.key ?? env['ROUTEIQ_API_KEY'] ?? env['LITELLM_MASTER_KEY'] ?? '',
    check,
    judge: values.judge,
    answers: values.answers ?? `${out}.answers.jsonl`,
    limit: wholeNumber('limit', values.limit, 1_000_000, 1, 1_000_000),
    concurrency: wholeNumber('concurrency', values.concurrency, 4, 1, 256),
    maxTokens: wholeNumber('max-tokens', values['max-tokens'], 1024, 1, 1_000_000),
    temperature: values.temperature === undefined ? undefined : decimal('temperature', values.temperature, 0, 0, 2),
    timeout: 1000 * wholeNumber('timeout', values.timeout, 120, 1, 3600),
    methods: methodsOf(values.methods),
    trainer: trainerSettings(values),
  }
}

async function askAndScore(
  prompts: readonly ProbePrompt[],
  settings: Settings,
  env: NodeJS.ProcessEnv,
  output: Output,
): Promise<Scored[]> {
  const { models, concurrency, maxTokens, temperature, judge, check, timeout } = settings
  const own = settings.config === undefined ? undefined : await startOwnGateway(settings.config, env)
  const client = new GatewayClient({
    url: own?.url ?? settings.url ?? '',
    key: own?.key ?? settings.key,
    timeout,
    attempts: 4,
  })
  const progress = new Progress(output)
  const answers = await AnswerFile.open(settings.answers, JSON.stringify({ maxTokens, temperature }))
  try {
    const { asked, failed } = await runPool(client, prompts, answers, {
      models,
      concurrency,
      maxTokens,
      temperature,
      onProgress: (done, of) => progress.show(done, of, `${done} of ${of} answers`),
    })
    progress.end()
    output.err(
      `${asked - failed.length} answers; ${prompts.length * models.length - asked} were there already; ${failed.length} failed\n`,
    )
    for (const reason of failed.slice(0, 5)) output.err(`  ${reason}\n`)
    return await score(client, prompts, answers, {
      models,
      check,
      judge,
      concurrency,
      onProgress: (done, of) => progress.show(done, of, `${done} of ${of} prompts scored`),
    })
  } catch (error) {
    throw error instanceof CallFailed ? new DatasetError(error.message) : error
  } finally {
    progress.end()
    answers.close()
    await own?.stop()
  }
}

/** @returns path of the dataset */
async function writeDataset(scored: readonly Scored[], { out, models }: Settings): Promise<string> {
  const known = (value: number | undefined): number | null =>
    value === undefined || Number.isNaN(value) ? null : value
  const lines = scored.map(({ prompt, completions, qualities }) =>
    JSON.stringify({
      id: prompt.id,
      task: prompt.task,
      text: prompt.text,
      system: prompt.system === '' ? undefined : prompt.system,
      in: known(completions.find(completion => completion !== undefined)?.inputTokens),
      q: qualities.map(quality => known(quality?.value)),
      w: qualities.map(quality => known(quality?.weight)),
      by: qualities.map(quality => quality?.source ?? null),
      c: completions.map(completion => known(completion?.cost)),
      ot: completions.map(completion => known(completion?.outputTokens)),
      ms: completions.map(completion => known(completion?.latency)),
    }),
  )
  const raw = `${out}.scores.jsonl`
  writeFileSync(raw, `${lines.join('\n')}\n`)
  writeFileSync(`${out}.scores.meta.json`, `${JSON.stringify({ models })}\n`)
  const path = `${out}.dataset.jsonl.gz`
  await buildDataset([raw], { out: path, name: 'probe', problems: new Problems(), now: new Date() })
  return path
}

async function learn(path: string, settings: Settings, values: Values, output: Output): Promise<number> {
  const dataset = await loadDataset(path)
  const progress = new Progress(output)
  try {
    const judged = trainer({ ...settings.trainer, methods: settings.methods })
    const report = await crossValidate(dataset, async rows => (await judged(rows)).router, {
      methods: settings.methods,
      seed: settings.trainer.seed,
      resamples: 200,
      now: new Date(),
      folds: 5,
      onProgress: (done, of, doing) => progress.show(done, of, doing),
    })
    progress.end()
    const code = giveReport(report, values, output)
    if (code !== 0) {
      output.err(`${settings.out} was not written\n`)
      return code
    }
    const { artifact, router } = await trainer({
      ...settings.trainer,
      methods: values.methods === undefined ? everyMethod : settings.methods,
    })(dataset)
    writeWhole(settings.out, artifact)
    output.err(`${settings.out}: ${router.id.slice(0, 12)}\n`)
    return 0
  } finally {
    progress.end()
  }
}
