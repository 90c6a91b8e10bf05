import type { Gateway } from '../pipeline/gateway.ts'
import { compileSnapshot, type SnapshotServices } from '../pipeline/snapshot.ts'
import { demoConfig } from '../platform/config/demo.ts'
import { type LoadedConfig, loadConfig } from '../platform/config/load.ts'
import { ConfigError, formatProblem } from '../platform/config/problem.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { ReloadResult } from '../surfaces/fleet.ts'

export interface ConfigSource {
  /** Undefined: the built-in demo. */
  readonly path: string | undefined
  readonly strict: boolean
}

export function load(source: ConfigSource): Promise<LoadedConfig> {
  const options = { env: process.env, strict: source.strict }
  return source.path === undefined ? Promise.resolve(demoConfig(options)) : loadConfig(source.path, options)
}

/**
 * Builds a new snapshot from the config source and swaps it in; a config that cannot be compiled changes nothing.
 * One reload runs at a time; those that come meanwhile share one more run behind it, which sees the newest files.
 */
export class Reloader {
  readonly #gateway: Gateway
  readonly #source: ConfigSource
  readonly #services: SnapshotServices
  #running: Promise<ReloadResult> | undefined
  #next: Promise<ReloadResult> | undefined

  constructor(gateway: Gateway, source: ConfigSource, services: SnapshotServices) {
    this.#gateway = gateway
    this.#source = source
    this.#services = services
  }

  reload(): Promise<ReloadResult> {
    if (this.#running === undefined) return this.#start()
    this.#next ??= this.#running.then(() => this.#start())
    return this.#next
  }

  #start(): Promise<ReloadResult> {
    this.#next = undefined
    const run = this.#run().finally(() => {
      if (this.#running === run) this.#running = undefined
    })
    this.#running = run
    return run
  }

  async #run(): Promise<ReloadResult> {
    const current = this.#gateway.snapshot
    try {
      const loaded = await load(this.#source)
      if (loaded.hash !== current.hash) {
        this.#gateway.swap(compileSnapshot(loaded, current.version + 1, this.#services))
        this.#gateway.log.info({ version: current.version + 1, hash: loaded.hash }, 'config reloaded')
      }
      const { version, hash } = this.#gateway.snapshot
      return { applied: true, version, hash, problems: [], warnings: loaded.warnings.map(formatProblem) }
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const problems = error instanceof ConfigError ? error.problems.map(formatProblem) : [error.message]
      this.#gateway.metrics.configRefused()
      this.#gateway.log.error({ problems, version: current.version }, 'config not applied; the old one stays in force')
      return { applied: false, version: current.version, hash: current.hash, problems, warnings: [] }
    }
  }
}
