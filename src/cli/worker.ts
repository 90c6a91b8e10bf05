import cluster from 'node:cluster'
import type { Explanation } from '../pipeline/accounting/explain.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import type { ArtifactStatus } from '../pipeline/routing/learned/artifact-status.ts'
import type { SecretStatus } from '../platform/secrets/secret-status.ts'
import type { DenialRecord } from '../platform/security/egress-denials.ts'
import { Secret } from '../platform/security/secret.ts'
import { ipcPort } from '../platform/shared-state/fleet/ipc.ts'
import type { Fleet, ReloadResult } from '../surfaces/fleet.ts'
import type { ServeOptions } from './arguments.ts'
import { loadTexts } from './config-source.ts'
import { Inquiry } from './inquiry.ts'
import { listen, onStop, orExit } from './process.ts'
import { ignoreLost, type PrimaryQuestion, patience, type WorkerQuestion } from './question.ts'
import { createRuntime, type GivenConfig, type Runtime } from './runtime.ts'

interface Own {
  readonly runtime: Runtime
  readonly local: Fleet
}

/** A worker: serves, and answers the fleet's questions about itself. */
export async function runWorker(options: ServeOptions): Promise<void> {
  let own: Own | undefined
  const inquiry = new Inquiry(
    message => process.send?.(message, undefined, undefined, ignoreLost),
    question => answerPrimary(question as PrimaryQuestion, own, options),
    patience,
  )
  const ask = <T>(question: WorkerQuestion): Promise<T> => inquiry.ask<T>(question)
  process.on('message', message => inquiry.receive(message))
  // A lost primary means the end, also while starting; `disconnect` says so, failing sends add nothing.
  cluster.worker?.on('error', ignoreLost)
  process.on('disconnect', () => void Promise.resolve(own?.runtime.close()).then(() => process.exit(0)))
  // The primary says it, once for all workers.
  const fail = async (text: string): Promise<never> => {
    await ask({ what: 'failed', text }).catch(() => {})
    process.exit(1)
  }
  const key = new Secret(process.env['LITELLM_MASTER_KEY'] ?? '')
  const config = await ask<GivenConfig>({ what: 'config' })
  let local: Fleet | undefined
  const fleetOf = (own: Fleet, _gateway: Gateway): Fleet => {
    local = own
    return {
      reload: () => ask<ReloadResult>({ what: 'reload' }),
      metrics: () => ask<string>({ what: 'metrics' }),
      egressDenials: () => ask<DenialRecord[]>({ what: 'denials' }),
      secrets: () => ask<SecretStatus[]>({ what: 'secrets' }),
      artifacts: () => ask<ArtifactStatus[]>({ what: 'artifacts' }),
      explain: async (id, keyHash) =>
        (await own.explain(id, keyHash)) ??
        (await ask<Explanation | null>({ what: 'explain', id, keyHash })) ??
        undefined,
    }
  }
  const runtime = await orExit(() => createRuntime(options, key, fleetOf, config, ipcPort(process)), fail)
  if (local !== undefined) own = { runtime, local }
  // The primary decides.
  process.on('SIGHUP', () => {})
  onStop(() => runtime.close())
  await listen(runtime, options, fail)
}

async function answerPrimary(question: PrimaryQuestion, own: Own | undefined, options: ServeOptions): Promise<unknown> {
  if (own === undefined) throw new Error('the worker is still starting')
  const { gateway, reloader } = own.runtime
  switch (question.what) {
    case 'apply': {
      const { texts, version } = question.config
      const source = { path: options.configPath, strict: options.strict, secrets: own.runtime.secrets }
      return reloader.apply(() => loadTexts(source, texts), version)
    }
    case 'refused':
      return reloader.refused(question.problems)
    case 'metrics':
      return gateway.metrics.snapshot()
    case 'denials':
      return own.local.egressDenials()
    case 'secrets':
      return own.local.secrets()
    case 'artifacts':
      return own.local.artifacts()
    case 'explain':
      return (await own.local.explain(question.id, question.keyHash)) ?? null
  }
}
