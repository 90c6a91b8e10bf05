import { parseConfig } from '../../../platform/config/load.ts'
import { ConfigError } from '../../../platform/config/problem.ts'
import type { SettableSection } from './runtime-keys.ts'
import { whyNot } from './runtime-keys.ts'

/** A checked value, in the form the compiled configuration has it; or what is wrong with it, in words for the caller. */
export type Judged = { readonly value: unknown } | { readonly problem: string }

/** JSON of one value. */
const longest = 65_536

/** Lists whose members do something one by one: a warning about a member is a member without effect. */
const withoutEffect = /not active yet|has no effect/

/** Holds one key of a section against the schema of the configuration. */
export function judgeSetting(section: SettableSection, name: string, value: unknown): Judged {
  const reason = whyNot(section, name)
  if (reason !== undefined) return { problem: reason }
  const text = JSON.stringify({ [section]: { [name]: value } })
  if (text.length > longest) return { problem: `'${section}.${name}' is larger than ${longest} characters.` }
  // What is stored can be read again by administrators' viewers: it names no secret, and no variable that may hold one.
  if (text.includes('os.environ/')) {
    return { problem: `'${section}.${name}': os.environ/ references are resolved in the config file only.` }
  }
  try {
    const { config, warnings } = parseConfig(text, { env: {}, file: 'the request' })
    const warned = warnings.find(({ path, message }) => path.startsWith(section) && withoutEffect.test(message))
    if (warned !== undefined) return { problem: `'${warned.path}': ${warned.message}.` }
    return { value: (config[section] as Readonly<Record<string, unknown>>)[name] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { problem: error.problems.map(({ path, message }) => `'${path}': ${message}.`).join(' ') }
  }
}
