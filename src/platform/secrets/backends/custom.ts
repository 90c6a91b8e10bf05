import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type SecretBackend, type SecretReading, SecretUnavailable } from '../backend.ts'
import { fields } from '../call.ts'
import type { SecretSettings } from '../settings.ts'

const what = 'custom'

/** What a module of the operator's own exports: an object of this shape, or a class that makes one. */
export interface CustomSecretManager {
  read(name: string): Promise<string | SecretReading | undefined | null> | string | undefined | null
  write?(name: string, value: string): Promise<void> | void
  remove?(name: string): Promise<void> | void
}

/**
 * `custom_secret_manager: ./my-secrets.mjs` or `./my-secrets.mjs#MySecrets`: an ES module beside the config, its default
 * export or the one that is named.
 */
export async function customBackend({ keyManagement, folder }: SecretSettings): Promise<SecretBackend> {
  const spec = keyManagement.custom_secret_manager
  if (spec === undefined) {
    throw new SecretUnavailable(
      `${what}: set key_management_settings.custom_secret_manager to a module: ./my-secrets.mjs.`,
    )
  }
  const [file = '', exported = 'default'] = spec.split('#')
  const path = isAbsolute(file) ? file : resolve(folder, file)
  let loaded: unknown
  try {
    loaded = await import(pathToFileURL(path).href)
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown reason'
    throw new SecretUnavailable(`${what}: ${path} cannot be loaded: ${why}`)
  }
  const found = fields(loaded)[exported]
  const manager = (isClass(found) ? new found() : found) as Partial<CustomSecretManager> | undefined
  if (typeof manager?.read !== 'function') {
    throw new SecretUnavailable(`${what}: the export "${exported}" of ${path} has no method read(name).`)
  }
  const { write, remove } = manager
  return {
    system: what,
    async read(name) {
      let value: Awaited<ReturnType<CustomSecretManager['read']>>
      try {
        value = await (manager as CustomSecretManager).read(name)
      } catch {
        // What somebody else's code says may hold anything.
        throw new SecretUnavailable(`${what}: ${name}: read() of ${path} failed.`)
      }
      if (value === undefined || value === null) return undefined
      return typeof value === 'string' ? { text: value } : value
    },
    ...(write === undefined ? {} : { write: async (name, value) => write.call(manager, name, value) }),
    ...(remove === undefined ? {} : { remove: async name => remove.call(manager, name) }),
  }
}

const isClass = (value: unknown): value is new () => object => typeof value === 'function'
