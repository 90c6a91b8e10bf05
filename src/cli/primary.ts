import cluster, { type Worker } from 'node:cluster'
import type { Explanation } from '../pipeline/accounting/explain.ts'
import { type ArtifactStatus, mergeArtifacts } from '../pipeline/routing/learned/artifact-status.ts'
import { type ConfigWatch, watchConfig } from '../platform/config/watch.ts'
import { mergeSecrets, type SecretStatus } from '../platform/secrets/secret-status.ts'
import { Secrets } from '../platform/secrets/secrets.ts'
import { type DenialRecord, mergeDenials } from '../platform/security/egress-denials.ts'
import { FleetServer } from '../platform/shared-state/fleet/fleet-server.ts'
import { ipcPort } from '../platform/shared-state/fleet/ipc.ts'
import { MemoryState } from '../platform/shared-state/memory/memory-state.ts'
import { mergeMetrics, renderMetrics } from '../platform/telemetry/exposition.ts'
import type { MetricsSnapshot } from '../platform/telemetry/metrics.ts'
import type { ReloadResult } from '../surfaces/fleet.ts'
import type { ServeOptions } from './arguments.ts'
import { banner } from './banner.ts'
import { coalesce } from './coalesce.ts'
import { FleetConfig } from './fleet-config.ts'
import { Inquiry } from './inquiry.ts'
import { exitWith, onStop, orExit, startKey, urlOf } from './process.ts'
import { ignoreLost, type PrimaryQuestion, patience, type WorkerQuestion } from './question.ts'
import { snapshotServices } from './services.ts'

/** A worker that dies is replaced; one that dies sooner than this after its birth, milliseconds, after such a pause. */
const respawnPause = 1000

/** The primary: forks workers, replaces those that die, and answers for all of them. */
export async function runPrimary(options: ServeOptions): Promise<void> {
  const { key, generated } = startKey(process.env)
  const source = { path: options.configPath, strict: options.strict, secrets: new Secrets() }
  // Judged once here, so that a broken config is reported once and nothing is forked. Nobody calls the demo origin.
  const config = await orExit(() => FleetConfig.open(source, snapshotServices(key, 'http://127.0.0.1:1')))
  const inquiries = new Map<number, Inquiry>()
  const sharedState = new FleetServer(new MemoryState())
  let announced = false
  let stopping = false
  let watch: ConfigWatch | undefined

  const askAll = async <T>(question: PrimaryQuestion): Promise<T[]> => {
    const answers = await Promise.allSettled([...inquiries.values()].map(inquiry => inquiry.ask<T>(question)))
    return answers.filter(answer => answer.status === 'fulfilled').map(answer => answer.value)
  }
  const reload = coalesce(async (): Promise<ReloadResult> => {
    const problems = await config.refresh()
    const { version, hash, warnings } = config.snapshot
    watch?.replace(config.files)
    if (problems.length > 0) {
      await askAll({ what: 'refused', problems })
      return { applied: false, version, hash, problems, warnings: [] }
    }
    const results = await askAll<ReloadResult>({ what: 'apply', config: config.given })
    return results.find(({ applied }) => !applied) ?? { applied: true, version, hash, problems, warnings }
  })
  const answer = async (question: WorkerQuestion): Promise<unknown> => {
    switch (question.what) {
      case 'config':
        return config.given
      case 'failed':
        if (!announced) return exitWith(question.text)
        process.stderr.write(question.text)
        return undefined
      case 'reload':
        return reload()
      case 'metrics':
        return renderMetrics(mergeMetrics(await askAll<MetricsSnapshot>(question)))
      case 'denials':
        return mergeDenials(await askAll<DenialRecord[]>(question))
      case 'secrets':
        return mergeSecrets(await askAll<SecretStatus[]>(question))
      case 'artifacts':
        return mergeArtifacts(await askAll<ArtifactStatus[]>(question))
      case 'explain':
        return (await askAll<Explanation | null>(question)).find(found => found !== null) ?? null
    }
  }
  const fork = (onListening?: (port: number) => void): void => {
    if (stopping) return
    const worker = cluster.fork({ LITELLM_MASTER_KEY: key.reveal() })
    const bornAt = performance.now()
    const inquiry = new Inquiry(message => worker.send(message, ignoreLost), answer, patience)
    worker.on('message', message => inquiry.receive(message))
    sharedState.connect(worker.id, ipcPort(worker))
    worker.on('listening', ({ port }) => {
      inquiries.set(worker.id, inquiry)
      // A reload may have passed while it was starting; the version in force already is no change.
      inquiry.ask<ReloadResult>({ what: 'apply', config: config.given }).catch(() => {})
      onListening?.(port)
    })
    worker.on('exit', () => {
      sharedState.workerGone(worker.id)
      inquiry.close()
      inquiries.delete(worker.id)
      const pause = performance.now() - bornAt < respawnPause ? respawnPause : 0
      setTimeout(() => fork(onListening), pause)
    })
  }
  const port = await new Promise<number>(resolve => {
    let listening = 0
    for (let i = 0; i < options.workers; i++) {
      fork(own => {
        listening++
        if (listening === options.workers) resolve(own)
      })
    }
  })
  announced = true
  const { snapshot } = config
  const configured = snapshot.loaded.config.general_settings.master_key !== undefined
  process.stdout.write(
    banner({
      url: urlOf(options.host, port),
      snapshot,
      generatedKey: configured ? undefined : generated,
      workers: options.workers,
      demo: options.configPath === undefined,
    }),
  )
  watch = watchConfig(config.files, () => void reload())
  void watch.ready.then(reload)
  process.on('SIGHUP', () => void reload())
  onStop(
    async () => {
      stopping = true
      watch?.close()
      await Promise.all(living().map(ended))
    },
    () => living().forEach(terminate),
  )
}

const living = (): Worker[] =>
  Object.values(cluster.workers ?? {}).flatMap(worker => (worker === undefined || worker.isDead() ? [] : [worker]))

const terminate = (worker: Worker): void => void worker.process.kill('SIGTERM')

function ended(worker: Worker): Promise<void> {
  return new Promise(resolve => {
    worker.once('exit', () => resolve())
    terminate(worker)
  })
}
