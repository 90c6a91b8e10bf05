import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Worker } from 'node:worker_threads'
import { gatewayRecords } from '../learning/decisions/gateway-records.ts'
import { type Collected, NothingToDeploy, type PipelineSteps, type RunContext } from '../learning/pipeline/steps.ts'
import type { Clock } from '../platform/clock.ts'
import type { Store } from '../platform/store/store.ts'
import type { PipelineMessage } from './pipeline-thread.ts'

interface Output {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Characters of a command's output that are kept. */
const maxOutput = 4_000_000
/** Lines of what a command says that go into the run's record. */
const toldLines = 5

/**
 * The steps as commands of this same program, in a thread of its own and of low priority: training takes minutes of
 * processor and a gigabyte of memory, and callers must notice neither. What a person would type is what runs.
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
      const args = ['train', data, '--out', out, '--no-eval', '--name', run.router, '--threads', '0']
      const { code, err } = await command(run, args)
      if (code !== 0) throw new Error(lastLine(err))
      return readFile(out)
    },
    async evaluate(run, collected) {
      const data = join(folderOf(collected), 'data.jsonl.gz')
      const args = ['eval', '--train', data, '--json', '--threads', '0', '--resamples', '100']
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

/** A data set in memory and what is fitted to it; one that needs more ends its thread and not the gateway. */
const resourceLimits = { maxOldGenerationSizeMb: 2048 }

/** The sources run as they are, the release is compiled: the thread's file has the extension of this one. */
const threadFile = new URL(`./pipeline-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** Runs `routeiq router …` in a thread. What it says is progress; its end is awaited, or brought about by the signal. */
async function command(run: RunContext, args: readonly string[]): Promise<Output> {
  run.signal.throwIfAborted()
  const thread = new Worker(threadFile, {
    workerData: { args },
    env: {},
    // Not the flags of this process.
    execArgv: [],
    resourceLimits,
    name: 'router pipeline',
  })
  const stop = (): void => void thread.terminate()
  run.signal.addEventListener('abort', stop, { once: true })
  try {
    return await outputOf(thread, run)
  } finally {
    run.signal.removeEventListener('abort', stop)
    await thread.terminate()
  }
}

function outputOf(thread: Worker, run: RunContext): Promise<Output> {
  return new Promise((resolve, reject) => {
    let out = ''
    let err = ''
    thread.on('message', (message: PipelineMessage) => {
      switch (message.type) {
        case 'out':
          if (out.length < maxOutput) out += message.text
          break
        case 'err':
          err = (err + message.text).slice(-20_000)
          break
        case 'ended':
          for (const line of err.trim().split('\n').slice(-toldLines)) run.progress(line)
          resolve({ code: message.code, out, err })
      }
    })
    thread.once('error', reject)
    thread.once('exit', () => reject(run.signal.reason ?? new Error('the thread ended before its work')))
  })
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? 'it said nothing'
