import { createHash } from 'node:crypto'
import type { Cipher } from '../governance/encryption/cipher.ts'
import type { CheckEntry, ModelEntry } from '../governance/management/model-entry.ts'
import { storedModels } from '../governance/management/models/models.ts'
import {
  isEmpty,
  readStoredConfig,
  type StoredConfig,
  withStored,
} from '../governance/management/settings/stored-config.ts'
import { compileSnapshot, type SnapshotServices } from '../pipeline/snapshot.ts'
import { type LoadedConfig, parseConfig } from '../platform/config/load.ts'
import { ConfigError, formatProblem } from '../platform/config/problem.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { Store } from '../platform/store/store.ts'
import type { Logger } from '../platform/telemetry/logger.ts'

/** Deployments and settings kept in the database, laid over whatever configuration is in force. */
export class DatabaseModels {
  readonly #store: Store
  readonly #cipher: Cipher
  readonly #log: Logger
  #entries: readonly ModelEntry[] = []
  #settings: StoredConfig | undefined
  /** The last result: what cannot be used is said once, not at every look. */
  #laid: { readonly on: LoadedConfig; readonly hash: string; readonly result: LoadedConfig } | undefined

  constructor(store: Store, cipher: Cipher, log: Logger) {
    this.#store = store
    this.#cipher = cipher
    this.#log = log
  }

  /** Reads them anew; while the store is away the last known stay. @returns whether they were read */
  async refresh(): Promise<boolean> {
    try {
      const [entries, settings] = await Promise.all([
        storedModels(this.#store.db, this.#cipher, problem =>
          this.#log.error({ problem }, 'model of the database left out'),
        ),
        readStoredConfig(this.#store.db),
      ])
      this.#entries = entries
      this.#settings = isEmpty(settings) ? undefined : settings
      return true
    } catch (error) {
      this.#log.warn({ err: error }, 'models and settings of the database cannot be read; the last known stay')
      return false
    }
  }

  /** The configuration with the stored settings over its own, and the stored deployments behind its own. */
  async over(loaded: LoadedConfig): Promise<LoadedConfig> {
    return this.#withModels(this.#withSettings(loaded))
  }

  #withSettings(loaded: LoadedConfig): LoadedConfig {
    const settings = this.#settings
    if (settings === undefined) return loaded
    const hash = hashWith(loaded.hash, settings)
    if (this.#laid?.on === loaded && this.#laid.hash === hash) return this.#laid.result
    const config = withStored(loaded.config, settings, problem =>
      this.#log.error({ problem }, 'setting of the database left out'),
    )
    const result = { ...loaded, config, hash }
    this.#laid = { on: loaded, hash, result }
    return result
  }

  /** One that cannot be served is left out and named. */
  async #withModels(loaded: LoadedConfig): Promise<LoadedConfig> {
    if (this.#entries.length === 0) return loaded
    // What they refer to is read first, and kept current like the secrets of the file.
    await loaded.secrets?.include(this.#entries)
    const added: LoadedConfig['config']['model_list'] = []
    for (const entry of this.#entries) {
      const parsed = parseEntry(entry, loaded)
      if (typeof parsed === 'string')
        this.#log.error({ model: entry.model_name, problem: parsed }, 'model of the database left out')
      else added.push(...parsed)
    }
    return {
      ...loaded,
      config: { ...loaded.config, model_list: [...loaded.config.model_list, ...added] },
      hash: hashWith(loaded.hash, this.#entries),
    }
  }
}

const hashWith = (hash: string, more: unknown): string =>
  createHash('sha256').update(hash).update(JSON.stringify(more)).digest('hex').slice(0, 12)

/** Judges settings as part of the configuration in force; the deployments of the database are not their concern. */
export function settingsCheck(
  loaded: () => LoadedConfig,
  services: SnapshotServices,
): (stored: StoredConfig) => string | undefined {
  return stored => {
    const current = loaded()
    try {
      compileSnapshot({ ...current, config: withStored(current.config, stored) }, 1, services)
      return undefined
    } catch (error) {
      if (error instanceof GatewayError) return error.message
      throw error
    }
  }
}

/** Judges an entry as a deployment of the configuration in force. */
export function modelCheck(loaded: () => LoadedConfig, services: SnapshotServices): CheckEntry {
  return async entry => {
    const current = loaded()
    await current.secrets?.include(entry)
    const parsed = parseEntry(entry, current)
    if (typeof parsed === 'string') return parsed
    try {
      const alone = { ...current, config: { ...current.config, model_list: parsed } }
      const { deployments, warnings } = compileSnapshot(alone, 1, services)
      return deployments.length > 0 ? undefined : warnings[0]
    } catch (error) {
      if (error instanceof GatewayError) return error.message
      throw error
    }
  }
}

function parseEntry(entry: ModelEntry, { env, secrets }: LoadedConfig): LoadedConfig['config']['model_list'] | string {
  try {
    return parseConfig(JSON.stringify({ model_list: [entry] }), {
      env,
      strict: false,
      file: 'the database',
      lookup: secrets,
    }).config.model_list
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(formatProblem).join(' ')
    throw error
  }
}
