import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { SecretUnavailable } from '../../../platform/secrets/backend.ts'
import type { KeyRow } from '../../../platform/store/tables.ts'
import type { Logger } from '../../../platform/telemetry/logger.ts'
import { parseSettings, textOf } from '../../objects/settings.ts'

/** Where virtual keys are put in clear, for those who use them to fetch: a secret manager. */
export interface VirtualKeyStore {
  /** `key_management_settings.store_virtual_keys`, and the manager can be written. */
  readonly storesVirtualKeys: boolean
  /** The name is that of another secret. */
  reservedForConfig(name: string): boolean
  /** Under the configured prefix. @throws SecretUnavailable */
  storeVirtualKey(name: string, value: string): Promise<boolean>
  removeVirtualKey(name: string): Promise<boolean>
}

/** The field of a key that says under which name it was stored; it stays when the alias or the secret changes. */
export const secretName = 'secret_name'

/** A name is part of a path in many managers: it must not lead out of the prefix. */
const fitting = /^[A-Za-z0-9][\w.@-]*(\/[A-Za-z0-9][\w.@-]*)*$/

/** The copies of virtual keys in a secret manager. */
export class KeySecrets {
  readonly #store: VirtualKeyStore | undefined
  readonly #log: Logger

  constructor(store: VirtualKeyStore | undefined, log: Logger) {
    this.#store = store
    this.#log = log
  }

  get active(): boolean {
    return this.#store?.storesVirtualKeys === true
  }

  /**
   * Under which name a key is stored: where it is already, else its alias, else LiteLLM's `virtual-key-<hash>`.
   * @throws GatewayError 400 for an alias that makes no name
   */
  nameOf({ settings, key_alias: alias, token }: Pick<KeyRow, 'settings' | 'key_alias' | 'token'>): string {
    const name = textOf(parseSettings(settings), secretName) ?? alias ?? `virtual-key-${token}`
    if (this.#store?.reservedForConfig(name) === true) {
      throw new GatewayError('conflict', 'The configuration has a secret of this name in the secret manager.', {
        param: 'key_alias',
        status: 400,
      })
    }
    if (fitting.test(name)) return name
    throw new GatewayError(
      'invalid_request',
      `'key_alias' names the key in the secret manager too: letters, digits, '.', '_', '-', '@', with '/' between parts.`,
      { param: 'key_alias' },
    )
  }

  /** @throws GatewayError 503 */
  async put(name: string, secret: string): Promise<void> {
    try {
      await this.#store?.storeVirtualKey(name, secret)
    } catch (error) {
      if (!(error instanceof SecretUnavailable)) throw error
      throw new GatewayError(
        'store_unavailable',
        `The secret manager did not take the key, so it was not made or replaced: ${error.message}`,
        { retryAfter: 2 },
      )
    }
  }

  /** A copy that is left behind opens nothing: it is logged, and the deletion stands. */
  async remove(rows: readonly KeyRow[]): Promise<void> {
    for (const { settings, token } of rows) {
      const name = textOf(parseSettings(settings), secretName)
      if (name === undefined || !this.active) continue
      try {
        await this.#store?.removeVirtualKey(name)
      } catch (error) {
        this.#log.warn({ err: error, key: token.slice(0, 16) }, 'a deleted key is left in the secret manager')
      }
    }
  }
}
