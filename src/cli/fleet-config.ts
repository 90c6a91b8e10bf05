import { compileSnapshot, type Snapshot, type SnapshotServices } from '../pipeline/snapshot.ts'
import { type ConfigSource, type ConfigTexts, filesOf, loadWithTexts, problemsOf } from './config-source.ts'
import type { GivenConfig } from './runtime.ts'

/**
 * The configuration of all workers, kept by the primary. It is read and judged once, here, and workers get the texts:
 * so all serve the same content under the same version, and a worker that replaces a dead one starts with what is in
 * force, whatever has become of the files since.
 */
export class FleetConfig {
  readonly #source: ConfigSource
  readonly #services: SnapshotServices
  #snapshot: Snapshot
  #texts: ConfigTexts
  #files: readonly string[]

  private constructor(source: ConfigSource, services: SnapshotServices, snapshot: Snapshot, texts: ConfigTexts) {
    this.#source = source
    this.#services = services
    this.#snapshot = snapshot
    this.#texts = texts
    this.#files = snapshot.loaded.files
  }

  /** @throws GatewayError `config_invalid` */
  static async open(source: ConfigSource, services: SnapshotServices): Promise<FleetConfig> {
    const { loaded, texts } = await loadWithTexts(source)
    loaded.secrets?.discard()
    const snapshot = compileSnapshot(loaded, 1, services)
    // From the second on, a configuration that names a bad artifact is refused.
    if (services.routing.learned !== undefined) services.routing.learned.started = true
    return new FleetConfig(source, services, snapshot, texts)
  }

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  /** What a worker needs to serve the configuration in force. */
  get given(): GivenConfig {
    return { texts: this.#texts, version: this.#snapshot.version }
  }

  /** Files to watch; those of a refused configuration too. */
  get files(): readonly string[] {
    return this.#files
  }

  /** Reads what is on disk now and takes it, if it is sound. @returns why not; empty when it was taken. */
  async refresh(): Promise<readonly string[]> {
    try {
      const { loaded, texts } = await loadWithTexts(this.#source)
      // Workers keep their secrets current themselves; here they were only looked at.
      loaded.secrets?.discard()
      this.#files = loaded.files
      if (loaded.hash !== this.#snapshot.hash) {
        this.#snapshot = compileSnapshot(loaded, this.#snapshot.version + 1, this.#services)
        this.#texts = texts
      }
      return []
    } catch (error) {
      const problems = problemsOf(error)
      const tried = filesOf(error)
      if (tried.length > 0) this.#files = [...new Set([...tried, ...this.#snapshot.loaded.files])]
      return problems
    }
  }
}
