import { createHash } from 'node:crypto'
import type { Denial } from '../security/egress-denials.ts'
import { EgressDoors } from '../security/egress-doors.ts'
import type { EgressConfiguration } from '../security/egress-policies.ts'
import { type SecretBackend, type SecretReading, SecretUnavailable } from './backend.ts'
import { openBackend } from './backends/index.ts'
import { type Environment, fields, type SecretServices } from './call.ts'
import { readSecretFile } from './mounted-files.ts'
import { readOidcToken } from './oidc.ts'
import type { SecretReference } from './reference.ts'
import type { SecretSettings } from './settings.ts'

/** What one configuration says of where secrets come from. */
export interface SourceConfiguration {
  readonly settings: SecretSettings
  readonly egress: EgressConfiguration
  /** The environment of the process with the config's `environment_variables` on top. */
  readonly env: Environment
  /** Equal text, equal source: it is kept over a reload, with its tokens. */
  readonly identity: string
}

/**
 * One pass over several references. `memory` spares reading a secret that holds many values (`primary_secret_name`)
 * once for each of them.
 */
export type Pass = Map<string, Promise<SecretReading | undefined>>

/** Reads references from where one configuration says they are. Remembers no value. */
export class SecretSource {
  readonly settings: SecretSettings
  readonly identity: string
  readonly #services: SecretServices
  readonly #doors: EgressDoors
  readonly #backend: SecretBackend | undefined

  private constructor(
    configuration: SourceConfiguration,
    doors: EgressDoors,
    services: SecretServices,
    backend: SecretBackend | undefined,
  ) {
    this.settings = configuration.settings
    this.identity = configuration.identity
    this.#doors = doors
    this.#services = services
    this.#backend = backend
  }

  /** @throws SecretUnavailable when the settings of the secret manager are incomplete. */
  static async open(
    configuration: SourceConfiguration,
    epoch: () => number,
    denied: (denial: Denial) => void,
  ): Promise<SecretSource> {
    const { settings, egress, env } = configuration
    const doors = new EgressDoors(egress, { denials: { add: denied } })
    const services: SecretServices = { outbound: doors, env, epoch }
    return new SecretSource(configuration, doors, services, await openBackend(settings, services))
  }

  get backend(): SecretBackend | undefined {
    return this.#backend
  }

  /** Whether `os.environ/NAME` is looked up in the secret manager. */
  hosts(name: string): boolean {
    const { access_mode: mode, hosted_keys: hosted } = this.settings.keyManagement
    return this.#backend !== undefined && mode !== 'write_only' && (hosted === undefined || hosted.includes(name))
  }

  /**
   * Milliseconds after which a value is read again. Infinity: it cannot change, or says itself when it expires.
   */
  pollInterval(reference: SecretReference): number {
    const { pollInterval } = this.settings
    switch (reference.kind) {
      case 'environ': {
        const own = this.#backend?.pollInterval ?? pollInterval
        return own > 0 ? own : Number.POSITIVE_INFINITY
      }
      case 'file':
        return pollInterval
      case 'oidc':
        return reference.provider === 'file' || reference.provider === 'env_path'
          ? pollInterval
          : Number.POSITIVE_INFINITY
      case 'malformed':
        return Number.POSITIVE_INFINITY
    }
  }

  /**
   * The value now; undefined when there is none.
   * @throws SecretUnavailable when it cannot be told.
   */
  async read(reference: SecretReference, pass: Pass): Promise<SecretReading | undefined> {
    const { fileDirs } = this.settings
    switch (reference.kind) {
      case 'environ':
        return this.hosts(reference.name) ? this.#hosted(reference.name, pass) : undefined
      case 'file': {
        const text = await readSecretFile(reference.path, fileDirs)
        return text === undefined ? undefined : { text }
      }
      case 'oidc':
        return readOidcToken(reference, this.#services, fileDirs)
      case 'malformed':
        throw new SecretUnavailable(reference.problem)
    }
  }

  async #hosted(name: string, pass: Pass): Promise<SecretReading | undefined> {
    const primary = this.settings.keyManagement.primary_secret_name
    if (primary === undefined) return this.#once(name, pass)
    const whole = await this.#once(primary, pass)
    if (whole === undefined) return undefined
    let json: unknown
    try {
      json = JSON.parse(whole.text)
    } catch {
      throw new SecretUnavailable(`${this.#backend?.system}: ${primary} (primary_secret_name) is not JSON.`)
    }
    const value = fields(json)[name]
    return typeof value === 'string' ? { text: value, expiresAt: whole.expiresAt } : undefined
  }

  #once(name: string, pass: Pass): Promise<SecretReading | undefined> {
    let reading = pass.get(name)
    if (reading === undefined) {
      reading = this.#backend?.read(name) ?? Promise.resolve(undefined)
      pass.set(name, reading)
    }
    return reading
  }

  async close(): Promise<void> {
    this.#backend?.close?.()
    await this.#doors.destroy()
  }
}

/** A name for a configuration of sources that reveals nothing of it. */
export function identityOf(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
