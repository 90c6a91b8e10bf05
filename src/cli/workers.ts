import cluster, { type Worker } from 'node:cluster'
import type { Explanation } from '../pipeline/accounting/explain.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { watchConfig } from '../platform/config/watch.ts'
import { Secret } from '../platform/security/secret.ts'
import { mergeMetrics, renderMetrics } from '../platform/telemetry/exposition.ts'
import type { MetricsSnapshot } from '../platform/telemetry/metrics.ts'
import type { Fleet, ReloadResult } from '../surfaces/fleet.ts'
import type { ServeOptions } from './arguments.ts'
import { banner } from './banner.ts'
import { Inquiry } from './inquiry.ts'
import { listen, onStop, orExit, startKey } from './process.ts'
import { load } from './reloader.ts'
import { createRuntime } from './runtime.ts'

/** What one process may ask another. */
export type Question =
  | { readonly what: 'reload' }
  | { readonly what: 'metrics' }
  | { readonly what: 'explain'; readonly id: string; readonly keyHash: string }

/** Milliseconds a worker has to answer a question of the fleet. */
const patience = 10_000
/** A worker that dies is replaced; one that dies at once again, after this pause. */
const respawnPause = 1000

/** The primary: forks workers, replaces those that die, and answers for all of them. */
export async function runPrimary(options: ServeOptions): Promise<void> {
  const { key, generated } = startKey(process.env)
  // Checked once here, so that a broken config is reported once and nothing is forked.
  const trial = await orExit(() => createRuntime(options, key, local => local))
  const { snapshot } = trial.gateway
  const { files } = trial
  await trial.close()

  const inquiries = new Map<number, Inquiry>()
  const askAll = async <T>(question: Question): Promise<T[]> => {
    const answers = await Promise.allSettled([...inquiries.values()].map(inquiry => inquiry.ask<T>(question)))
    return answers.filter(answer => answer.status === 'fulfilled').map(answer => answer.value)
  }
  const answer = async (question: Question): Promise<unknown> => {
    switch (question.what) {
      case 'reload':
        return combineReloads(await askAll<ReloadResult>(question))
      case 'metrics':
        return renderMetrics(mergeMetrics(await askAll<MetricsSnapshot>(question)))
      case 'explain':
        return (await askAll<Explanation | null>(question)).find(found => found !== null) ?? null
    }
  }
  let stopping = false
  const fork = (): Worker => {
    const worker = cluster.fork({ LITELLM_MASTER_KEY: key.reveal() })
    const bornAt = performance.now()
    inquiries.set(worker.id, new Inquiry(message => worker.send(message), answer, patience))
    worker.on('message', message => inquiries.get(worker.id)?.receive(message))
    worker.on('exit', () => {
      inquiries.get(worker.id)?.close()
      inquiries.delete(worker.id)
      if (!stopping) setTimeout(fork, performance.now() - bornAt < respawnPause ? respawnPause : 0)
    })
    return worker
  }
  const url = await new Promise<string>(resolve => {
    let listening = 0
    for (let i = 0; i < options.workers; i++) {
      fork().on('listening', ({ port }) => {
        listening++
        if (listening === options.workers) resolve(urlOf(options.host, port))
      })
    }
  })
  const configured = snapshot.loaded.config.general_settings.master_key !== undefined
  process.stdout.write(
    banner({
      url,
      snapshot,
      generatedKey: configured ? undefined : generated,
      workers: options.workers,
      demo: options.configPath === undefined,
    }),
  )
  const watch = watchConfig(files, () => reload())
  const reload = async (): Promise<void> => {
    await answer({ what: 'reload' })
    const loaded = await load({ path: options.configPath, strict: options.strict }).catch(() => undefined)
    if (loaded !== undefined) watch.replace(loaded.files)
  }
  void watch.ready.then(reload)
  process.on('SIGHUP', () => void reload())
  onStop(async () => {
    stopping = true
    watch.close()
    await Promise.all(
      Object.values(cluster.workers ?? {}).map(
        worker =>
          new Promise<void>(resolve => {
            if (worker === undefined || worker.isDead()) return resolve()
            worker.once('exit', () => resolve())
            worker.process.kill('SIGTERM')
          }),
      ),
    )
  })
}

/** A worker: serves, and answers the fleet's questions about itself. */
export async function runWorker(options: ServeOptions): Promise<void> {
  const key = new Secret(process.env['LITELLM_MASTER_KEY'] ?? '')
  let own: { local: Fleet; gateway: Gateway } | undefined
  const inquiry = new Inquiry(
    message => process.send?.(message),
    question => answerLocally(question as Question, own),
    patience,
  )
  const runtime = await orExit(() =>
    createRuntime(options, key, (local, gateway) => {
      own = { local, gateway }
      return {
        reload: () => inquiry.ask<ReloadResult>({ what: 'reload' }),
        metrics: () => inquiry.ask<string>({ what: 'metrics' }),
        explain: async (id, keyHash) =>
          (await local.explain(id, keyHash)) ??
          (await inquiry.ask<Explanation | null>({ what: 'explain', id, keyHash })) ??
          undefined,
      }
    }),
  )
  process.on('message', message => inquiry.receive(message))
  // The primary decides: a terminal's Ctrl-C reaches workers too, and a lost primary means the end.
  process.on('SIGHUP', () => {})
  process.on('disconnect', () => void runtime.close().then(() => process.exit(0)))
  onStop(() => runtime.close())
  await listen(runtime, options)
}

async function answerLocally(
  question: Question,
  own: { local: Fleet; gateway: Gateway } | undefined,
): Promise<unknown> {
  if (own === undefined) throw new Error('the worker is still starting')
  switch (question.what) {
    case 'reload':
      return own.local.reload()
    case 'metrics':
      return own.gateway.metrics.snapshot()
    case 'explain':
      return (await own.local.explain(question.id, question.keyHash)) ?? null
  }
}

/** A reload counts as applied when every worker applied it. */
function combineReloads(results: readonly ReloadResult[]): ReloadResult {
  const refused = results.find(result => !result.applied)
  const first = refused ?? results[0]
  if (first === undefined)
    return { applied: false, version: 0, hash: '', problems: ['no worker answered'], warnings: [] }
  return first
}

function urlOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}
