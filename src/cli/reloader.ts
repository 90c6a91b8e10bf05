import type { Gateway } from '../pipeline/gateway.ts'
import { compileSnapshot, type SnapshotServices } from '../pipeline/snapshot.ts'
import type { LoadedConfig } from '../platform/config/load.ts'
import type { ReloadResult } from '../surfaces/fleet.ts'
import { coalesce } from './coalesce.ts'
import { type ConfigSource, filesOf, load, problemsOf } from './config-source.ts'
import type { DatabaseModels } from './database-models.ts'

/** Builds a new snapshot and swaps it in; a config that cannot be compiled changes nothing. */
export class Reloader {
  /** From the config source on disk. One at a time. */
  readonly reload: () => Promise<ReloadResult>
  readonly #gateway: Gateway
  readonly #services: SnapshotServices
  readonly #applied: (loaded: LoadedConfig) => void
  readonly #database: DatabaseModels
  /** As the files have it, without the deployments of the database. */
  #base: LoadedConfig
  readonly #prepare: (loaded: LoadedConfig) => Promise<() => void>
  #files: readonly string[]

  /**
   * @param base as the files have it, which the gateway was started with.
   * @param applied told of every configuration that took effect, for what lives outside the snapshot.
   * @param prepare compiles the rest of a configuration before it takes effect; what it gives puts that in force.
   */
  constructor(
    gateway: Gateway,
    source: ConfigSource,
    services: SnapshotServices,
    database: DatabaseModels,
    base: LoadedConfig,
    applied: (loaded: LoadedConfig) => void,
    prepare: (loaded: LoadedConfig) => Promise<() => void> = async () => () => undefined,
  ) {
    this.#gateway = gateway
    this.#services = services
    this.#applied = applied
    this.#database = database
    this.#base = base
    this.#prepare = prepare
    this.#files = gateway.snapshot.loaded.files
    this.reload = coalesce(() => this.#run(() => load(source), undefined))
  }

  /** Files of the newest attempt: of a refused one too, for its repair may come in a file that was not read before. */
  get files(): readonly string[] {
    return this.#files
  }

  /** The configuration of the files, without what the database lays over it. */
  get base(): LoadedConfig {
    return this.#base
  }

  /** Takes a configuration as the version that the primary gave it. */
  apply(read: () => Promise<LoadedConfig>, version: number): Promise<ReloadResult> {
    return this.#run(read, version)
  }

  /**
   * Deployments or settings of the database changed: the same files with others over them. The version counts files and
   * stays; the hash tells.
   */
  async refreshModels(): Promise<void> {
    await this.#database.refresh()
    const base = this.#base
    const loaded = await this.#database.over(base)
    if (loaded.hash === this.#gateway.snapshot.hash) return
    try {
      const { version, loaded: before } = this.#gateway.snapshot
      const adopt = samePeople(before, loaded) ? undefined : await this.#prepare(loaded)
      // Files were read meanwhile: what stood over the old ones belongs over the new ones.
      if (base !== this.#base) return await this.refreshModels()
      this.#gateway.swap(compileSnapshot(loaded, version, this.#services))
      adopt?.()
      this.#gateway.log.info(
        { version, hash: loaded.hash, deployments: loaded.config.model_list.length },
        'models or settings of the database changed',
      )
    } catch (error) {
      this.refused(problemsOf(error))
    }
  }

  /** A configuration was refused elsewhere, on behalf of this process as well. */
  refused(problems: readonly string[]): void {
    const { version } = this.#gateway.snapshot
    this.#gateway.metrics.configRefused()
    this.#gateway.log.error({ problems, version }, 'config not applied; the old one stays in force')
  }

  async #run(read: () => Promise<LoadedConfig>, given: number | undefined): Promise<ReloadResult> {
    try {
      const loaded = await read()
      this.#files = loaded.files
      const whole = await this.#database.over(loaded)
      this.#take(whole, given, await this.#prepared(whole))
      this.#base = loaded
      return { ...this.#inForce(), applied: true, problems: [], warnings: this.#gateway.snapshot.warnings }
    } catch (error) {
      const problems = problemsOf(error)
      const tried = filesOf(error)
      if (tried.length > 0) this.#files = [...new Set([...tried, ...this.#gateway.snapshot.loaded.files])]
      this.refused(problems)
      return { ...this.#inForce(), applied: false, problems, warnings: [] }
    }
  }

  async #prepared(loaded: LoadedConfig): Promise<() => void> {
    try {
      return await this.#prepare(loaded)
    } catch (error) {
      loaded.secrets?.discard()
      throw error
    }
  }

  #take(loaded: LoadedConfig, given: number | undefined, adopt: () => void): void {
    const current = this.#gateway.snapshot
    const version = given ?? current.version + 1
    try {
      if (loaded.hash !== current.hash && version > current.version) {
        this.#gateway.swap(compileSnapshot(loaded, version, this.#services))
        adopt()
        this.#applied(loaded)
        this.#gateway.log.info({ version, hash: loaded.hash }, 'config reloaded')
        for (const warning of this.#gateway.snapshot.warnings) this.#gateway.log.warn(warning)
      }
    } finally {
      // The secrets of another configuration than the one in force are not kept current.
      if (this.#gateway.snapshot.hash === loaded.hash) loaded.secrets?.adopt()
      else loaded.secrets?.discard()
    }
  }

  #inForce(): { version: number; hash: string } {
    const { version, hash } = this.#gateway.snapshot
    return { version, hash }
  }
}

/** Settings of the database that authentication was compiled with: models and routing change nothing for it. */
const samePeople = (a: LoadedConfig, b: LoadedConfig): boolean =>
  (['default_internal_user_params', 'default_team_params'] as const).every(
    name => JSON.stringify(a.config.litellm_settings[name]) === JSON.stringify(b.config.litellm_settings[name]),
  )
