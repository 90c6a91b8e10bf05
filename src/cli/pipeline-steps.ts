import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { gatewayRecords } from '../learning/decisions/gateway-records.ts'
import { type Collected, NothingToDeploy, type PipelineSteps, type RunContext } from '../learning/pipeline/steps.ts'
import type { Clock } from '../platform/clock.ts'
import type { Store } from '../platform/store/store.ts'

interface Output {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Characters of a command's output that are kept. */
const maxOutput = 4_000_000
/** Lines of what a command says that go into the run's record. */
const toldLines = 5

/**
 * The steps as commands of this same program, in processes of their own: training takes minutes of processor and a
 * gigabyte of memory, and callers must notice neither. What a person would type is what runs.
 */
export function commandSteps(store: Store, clock: Clock): PipelineSteps {
  const folders = new Map<string, string>()
  const folderOf = ({ handle }: Collected): string => String(handle)
  return {
    async collect(run) {
      const folder = await mkdtemp(join(tmpdir(), 'routeiq-pipeline-'))
      folders.set(run.id, folder)
      const own = join(folder, 'gateway.jsonl')
      const filter = { router: run.router, from: clock.epoch() - run.settings.lookback, withText: true }
      let records = 0
      async function* counted(): AsyncGenerator<string> {
        for await (const line of gatewayRecords(store, filter)) {
          records++
          yield line
        }
      }
      await pipeline(Readable.from(counted()), createWriteStream(own))
      const { dataset } = run.settings
      const sources = [...(records > 0 ? [own] : []), ...(dataset === undefined ? [] : [dataset])]
      if (sources.length === 0) throw new NothingToDeploy('no captured calls and no configured data set')
      const built = join(folder, 'data.jsonl.gz')
      const { code, out, err } = await command(run, ['dataset', 'build', ...sources, '--out', built, '--json'])
      if (code !== 0) throw new NothingToDeploy(lastLine(err))
      const card = JSON.parse(out) as { rows: number; models: readonly (string | { name: string })[]; sha256: string }
      return {
        rows: card.rows,
        models: card.models.map(model => (typeof model === 'string' ? model : model.name)),
        datasetHash: card.sha256,
        handle: folder,
        sources: { own_calls: records, rows: card.rows },
      }
    },
    async train(run, collected) {
      const folder = folderOf(collected)
      const out = join(folder, 'artifact.routeiq')
      const data = join(folder, 'data.jsonl.gz')
      const args = ['train', data, '--out', out, '--no-eval', '--name', run.router, '--threads', '1']
      const { code, err } = await command(run, args)
      if (code !== 0) throw new Error(lastLine(err))
      return readFile(out)
    },
    async evaluate(run, collected) {
      const data = join(folderOf(collected), 'data.jsonl.gz')
      const args = ['eval', '--train', data, '--json', '--threads', '1', '--resamples', '100']
      const { code, out, err } = await command(run, args)
      if (code !== 0 && code !== 1) throw new Error(lastLine(err))
      return evaluationOf(JSON.parse(out) as EvaluatedJson)
    },
    async finished({ id }) {
      const folder = folders.get(id)
      folders.delete(id)
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

interface EvaluatedJson {
  readonly gate: {
    readonly passed: boolean
    readonly checks: readonly { readonly name: string; readonly passed: boolean; readonly found: string }[]
  }
  readonly [name: string]: unknown
}

function evaluationOf({ gate }: EvaluatedJson) {
  return {
    passes: gate.passed,
    reasons: gate.checks.filter(({ passed }) => !passed).map(({ name, found }) => `${name}: ${found}`),
    report: { gate },
  }
}

/** Runs `routeiq router …` at low priority. What it says is progress; its end is awaited, or brought about by the signal. */
function command(run: RunContext, args: readonly string[]): Promise<Output> {
  const script = process.argv[1] ?? ''
  const child = spawn('nice', ['-n', '10', process.execPath, ...process.execArgv, script, 'router', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: run.signal,
    // A process of its own: nothing of a cluster's worker, no key of the gateway.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: process.env['TMPDIR'] },
  })
  return new Promise((resolve, reject) => {
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (out.length < maxOutput) out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err = (err + text).slice(-20_000)
    })
    child.on('error', reject)
    child.on('close', code => {
      for (const line of err.trim().split('\n').slice(-toldLines)) run.progress(line)
      resolve({ code, out, err })
    })
  })
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? 'it said nothing'
