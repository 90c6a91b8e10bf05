import { demoConfig } from '../platform/config/demo.ts'
import { type LoadedConfig, type LoadOptions, loadConfig } from '../platform/config/load.ts'
import { ConfigError, formatProblem } from '../platform/config/problem.ts'
import { readSettled } from '../platform/config/read-settled.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import type { Secrets } from '../platform/secrets/secrets.ts'
import { defaultKeyNames } from '../providers/default-key-names.ts'

export interface ConfigSource {
  /** Undefined: the built-in demo. */
  readonly path: string | undefined
  readonly strict: boolean
  /** Reads what references in the config lead to. */
  readonly secrets: Secrets
}

const optionsOf = ({ strict, secrets }: ConfigSource): LoadOptions => ({
  env: process.env,
  strict,
  secrets,
  unwrittenNames: defaultKeyNames,
})

/** File contents by absolute path: a configuration that no longer depends on what is on disk. */
export type ConfigTexts = Readonly<Record<string, string>>

/** @throws ConfigError */
export function load(source: ConfigSource): Promise<LoadedConfig> {
  const options = optionsOf(source)
  return source.path === undefined ? Promise.resolve(demoConfig(options)) : loadConfig(source.path, options)
}

/** Loads from disk and keeps what was read. @throws ConfigError */
export async function loadWithTexts(source: ConfigSource): Promise<{ loaded: LoadedConfig; texts: ConfigTexts }> {
  if (source.path === undefined) return { loaded: await load(source), texts: {} }
  const texts: Record<string, string> = {}
  const loaded = await loadConfig(source.path, optionsOf(source), async path => {
    const text = await readSettled(path)
    texts[path] = text
    return text
  })
  return { loaded, texts }
}

/** The same from kept texts. @throws ConfigError */
export function loadTexts(source: ConfigSource, texts: ConfigTexts): Promise<LoadedConfig> {
  if (source.path === undefined) return load(source)
  return loadConfig(source.path, optionsOf(source), async path => {
    const text = texts[path]
    if (text === undefined) throw Object.assign(new Error('not kept'), { code: 'ENOENT' })
    return text
  })
}

/** Why a configuration was refused, one line each. @throws what is no verdict on the configuration. */
export function problemsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.problems.map(formatProblem)
  if (error instanceof GatewayError) return [error.message]
  throw error
}

/** Files to watch for the repair of a configuration that was refused. */
export const filesOf = (error: unknown): readonly string[] => (error instanceof ConfigError ? error.files : [])
