import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { signArtifact } from '../../learning/artifact/artifact.ts'
import { crossValidate } from '../../learning/evaluation/evaluate.ts'
import { methods as everyMethod } from '../../learning/predictor.ts'
import type { Command } from './command.ts'
import { dataOptions, dataSettings, dataUsage, openData, refuseOneGroup } from './data.ts'
import { methodsOf } from './methods.ts'
import { Misuse, readOptions, wholeNumber } from './misuse.ts'
import { Progress } from './output.ts'
import { giveReport, reportOptions, reportUsage } from './report-output.ts'
import { trainer, trainerOptions, trainerSettings, trainerUsage } from './trainer.ts'

const usage = `routeiq router train <data…> --out <file>: train an artifact, and write it if it is better than none

  --out <file>             the artifact
  --methods <names>        comma-separated, or all; the first one is judged (default average, and all are trained)
  --folds <number>         of the cross-validation (default 5)
  --resume <folder>        finished stages are kept there; the same training goes on from them
  --sign <file>            Ed25519 private key (PEM) to sign with
  --name <text>            name in the artifact (default: the data's)
  --no-eval                no cross-validation before: several times faster, and nothing is known of its worth
${trainerUsage}${dataUsage}${reportUsage}`

const options = {
  out: { type: 'string' },
  methods: { type: 'string' },
  method: { type: 'string' },
  folds: { type: 'string' },
  resume: { type: 'string' },
  sign: { type: 'string' },
  name: { type: 'string' },
  'no-eval': { type: 'boolean' },
  ...trainerOptions,
  ...dataOptions,
  ...reportOptions,
} as const

export const trainCommand: Command = {
  usage,
  async run(argv, _env, output) {
    const { values, positionals } = readOptions(argv, options)
    if (positionals.length === 0) throw new Misuse('give the data to learn from')
    const { out } = values
    if (out === undefined) throw new Misuse('give --out: where to write the artifact')
    // Before minutes of work, not after them.
    const key = values.sign === undefined ? undefined : readPrivateKey(values.sign)
    const asked = values.methods ?? values.method
    const judged = methodsOf(asked)
    const settings = trainerSettings(values)
    const folds = wholeNumber('folds', values.folds, 5, 2, 100)
    const dataset = await openData(positionals, dataSettings(values), output)
    const progress = new Progress(output)
    let code = 0
    try {
      if (values['no-eval'] !== true) {
        refuseOneGroup(dataset)
        const learn = trainer({ ...settings, methods: judged, folds })
        const report = await crossValidate(dataset, async rows => (await learn(rows)).router, {
          methods: judged,
          seed: settings.seed,
          resamples: 200,
          now: new Date(),
          folds,
          onProgress: (done, of, doing) => progress.show(done, of + 1, doing),
        })
        progress.end()
        code = giveReport(report, values, output)
        if (code !== 0) {
          output.err(`${out} was not written\n`)
          return code
        }
      }
      const learn = trainer({
        ...settings,
        methods: asked === undefined ? everyMethod : judged,
        folds,
        ...(values.name !== undefined && { name: values.name }),
        ...(values.resume !== undefined && { checkpoints: values.resume }),
      })
      const { artifact, router } = await learn(dataset, (share, doing) => progress.show(share, 1, doing))
      progress.end()
      writeWhole(out, key === undefined ? artifact : signArtifact(artifact, key))
      output.err(
        `${out}: ${router.id.slice(0, 12)}, ${(artifact.length / 1e6).toFixed(2)} MB, ${router.models.length} models, ` +
          `${router.methods.join(', ')}${key === undefined ? '' : ', signed'}\n`,
      )
      return code
    } finally {
      progress.end()
    }
  },
}

/** A gateway that watches the file must never see half of it. */
export function writeWhole(path: string, bytes: Uint8Array): void {
  const beside = `${path}.${process.pid}.tmp`
  writeFileSync(beside, bytes)
  renameSync(beside, path)
}

/** @throws Misuse */
export function readPrivateKey(path: string, option = 'sign'): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(readFileSync(path))
  } catch {
    throw new Misuse(
      `--${option}: ${path} holds no private key in PEM (openssl genpkey -algorithm ed25519 -out key.pem)`,
    )
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Misuse(`--${option}: ${path} holds a ${key.asymmetricKeyType} key, not Ed25519`)
  return key
}
