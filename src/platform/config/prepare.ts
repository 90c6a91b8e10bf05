import type { z } from 'zod'
import type { LiveSecret } from '../secrets/live-secret.ts'
import { parseReference, type SecretReference } from '../secrets/reference.ts'
import type { Found, SecretLookup } from '../secrets/secrets.ts'
import { choicesOf, definition, elementOf, optionsOf, shapeOf, unwrap } from './describe-type.ts'
import { inactiveMessage, unknownKeyMessage } from './key-messages.ts'
import { nearestKey, reach } from './nearest-key.ts'
import { type Path, type Problem, pathText } from './problem.ts'
import { type SectionInfo, sections } from './section.ts'
import { isYamlMap, type YamlMap } from './source.ts'
import { secretMap, secretText } from './values.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface PrepareOptions {
  readonly env: Environment
  readonly strict: boolean
  /** What references led to. Without it, `os.environ/NAME` is the environment's alone. */
  readonly secrets?: SecretLookup | undefined
  report(path: Path, message: string, severity: Problem['severity'], at: 'key' | 'value'): void
}

/** A tree ready for the schema, and what had to be looked up to make it. */
export interface Prepared {
  readonly value: YamlMap
  /** The environment in which `os.environ/NAME` was resolved: the process' with `environment_variables` on top. */
  readonly env: Environment
  /** Path text → variable, for values that must not be shown. */
  readonly fromEnv: ReadonlyMap<string, string>
  /** Path text → the secret that stands there and may change. */
  readonly live: ReadonlyMap<string, LiveSecret>
}

/**
 * Walks the raw tree along the schema: resolves `os.environ/NAME`, sorts keys into active, inactive and unknown, and
 * reads scalars the way LiteLLM users write them (`"600"` for 600, `yes` for true, one name for a list of one).
 * What is left, the schema judges.
 */
export function prepare(schema: z.core.$ZodType, root: YamlMap, options: PrepareOptions): Prepared {
  const walk = new Walk(options)
  const variables = walk.prepare(secretMap, root['environment_variables'] ?? {}, ['environment_variables'])
  const env: Record<string, string | undefined> = { ...options.env }
  if (isYamlMap(variables)) {
    for (const [name, value] of Object.entries(variables)) if (typeof value === 'string') env[name] = value
  }
  walk.env = env
  const { environment_variables: _, ...rest } = root
  const value = walk.prepare(schema, rest, []) as YamlMap
  if (Object.hasOwn(root, 'environment_variables')) value['environment_variables'] = variables
  return { value, env, fromEnv: walk.fromEnv, live: walk.live }
}

class Walk {
  readonly fromEnv = new Map<string, string>()
  readonly live = new Map<string, LiveSecret>()
  readonly #options: PrepareOptions
  env: Environment

  constructor(options: PrepareOptions) {
    this.#options = options
    this.env = options.env
  }

  prepare(schema: z.core.$ZodType, raw: unknown, path: Path): unknown {
    const type = unwrap(schema)
    const value = this.#resolve(raw, path, type === secretText)
    const options = optionsOf(type)
    if (options) return this.prepare(pickOption(options, value), value, path)
    const shape = shapeOf(type)
    if (shape) return isYamlMap(value) ? this.#section(type, shape, value, path) : value
    const element = elementOf(type)
    if (!element) return definition(type).type === 'unknown' ? this.#deep(value, path) : readScalar(type, value)
    if (definition(type).type === 'array') return this.#list(element, value, path)
    if (!isYamlMap(value)) return value
    const result: YamlMap = {}
    for (const [name, item] of Object.entries(value)) {
      if (item !== null) result[name] = this.prepare(element, item, [...path, name])
    }
    return result
  }

  #list(element: z.core.$ZodType, value: unknown, path: Path): unknown {
    if (Array.isArray(value)) return value.map((item, index) => this.prepare(element, item, [...path, index]))
    return typeof value === 'string' && acceptsText(element) ? [value] : value
  }

  #section(
    type: z.core.$ZodType,
    shape: Readonly<Record<string, z.core.$ZodType>>,
    value: YamlMap,
    path: Path,
  ): YamlMap {
    const info = sections.get(type)
    const result: YamlMap = {}
    for (const [name, item] of Object.entries(value)) {
      const at = [...path, name]
      const schema = Object.hasOwn(shape, name) ? shape[name] : undefined
      const inactive = info && Object.hasOwn(info.keys, name) ? info.keys[name] : undefined
      if (schema) {
        // An empty key (`fallbacks:`) is as good as none.
        if (item !== null) result[name] = this.prepare(schema, item, at)
      } else if (inactive) {
        this.#options.report(at, inactiveMessage(inactive), 'warning', 'key')
      } else if (info?.open === true) {
        if (this.#keepOwnKey(info, name, at)) result[name] = this.#deep(item, at)
      } else {
        const known = Object.keys(info?.keys ?? shape)
        const severity = this.#options.strict ? 'error' : 'warning'
        this.#options.report(at, unknownKeyMessage(name, known), severity, 'key')
      }
    }
    return result
  }

  /** A key an open section does not know: a misspelling, a later family, or the author's own. */
  #keepOwnKey(info: SectionInfo, name: string, at: Path): boolean {
    const { strict, report } = this.#options
    const meant = nearestKey(name, Object.keys(info.keys), Math.min(2, reach(name)))
    if (meant !== undefined) {
      const otherwise = strict ? '' : '; kept as it is'
      report(at, `unknown key; did you mean "${meant}"?${otherwise}`, strict ? 'error' : 'warning', 'key')
      return !strict
    }
    if (info.laterFamily?.test(name) === true) {
      report(at, inactiveMessage({ status: 'later', description: '' }), 'warning', 'key')
      return false
    }
    return true
  }

  #deep(raw: unknown, path: Path): unknown {
    const value = this.#resolve(raw, path)
    if (Array.isArray(value)) return value.map((item, index) => this.#deep(item, [...path, index]))
    if (!isYamlMap(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, this.#deep(item, [...path, name])]))
  }

  #resolve(value: unknown, path: Path, credential = false): unknown {
    const key = String(path.at(-1) ?? '')
    const reference = typeof value === 'string' ? parseReference(value, credential, key) : undefined
    if (reference === undefined) return value
    if (reference.kind === 'malformed') return this.#refuse(path, reference.problem)
    const found = this.#options.secrets?.find(reference.text)
    const name = reference.kind === 'environ' ? reference.name : reference.text
    const inEnvironment = reference.kind === 'environ' && Object.hasOwn(this.env, name) ? this.env[name] : undefined
    if (found?.kind !== 'found' && inEnvironment === undefined) {
      // A secret manager that cannot be used at all is reported once, where it is configured.
      if (this.#options.secrets?.problem !== undefined) return undefined
      return this.#refuse(path, missing(reference, found))
    }
    this.fromEnv.set(pathText(path), name)
    if (found?.kind === 'found') {
      this.live.set(pathText(path), found.secret)
      return found.secret.reveal()
    }
    if (found?.kind === 'failed') {
      this.#options.report(
        path,
        `${found.problem} The environment variable ${name} is used instead.`,
        'warning',
        'value',
      )
    }
    return inEnvironment
  }

  #refuse(path: Path, message: string): undefined {
    this.#options.report(path, message, 'error', 'value')
    return undefined
  }
}

function missing(reference: Exclude<SecretReference, { kind: 'malformed' }>, found: Found | undefined): string {
  if (found?.kind === 'failed') return found.problem
  if (found === undefined && reference.kind !== 'environ') {
    return `${reference.text} is not read here: files and tokens are for the config file`
  }
  switch (reference.kind) {
    case 'environ':
      return `the environment variable ${reference.name} is not set`
    case 'file':
      return `the file ${reference.path} does not exist`
    case 'oidc':
      return `${reference.text} gave no token`
  }
}

function acceptsText(schema: z.core.$ZodType): boolean {
  const type = unwrap(schema)
  return (
    definition(type).type === 'string' || choicesOf(type) !== undefined || (optionsOf(type)?.some(acceptsText) ?? false)
  )
}

function pickOption(options: readonly z.core.$ZodType[], value: unknown): z.core.$ZodType {
  const fits = (option: z.core.$ZodType): boolean => {
    const kind = definition(unwrap(option)).type
    if (Array.isArray(value)) return kind === 'array'
    if (isYamlMap(value)) return kind === 'object' || kind === 'record'
    return kind === typeof value || (typeof value === 'string' && kind === 'enum')
  }
  return options.find(fits) ?? (options[0] as z.core.$ZodType)
}

const numeric = /^[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?$/i
const truths = new Map([
  ['true', true],
  ['yes', true],
  ['on', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['off', false],
  ['0', false],
])

/** LiteLLM reads YAML 1.1 (`yes`, `1_000`) and its models turn texts into numbers; configs rely on both. */
function readScalar(type: z.core.$ZodType, value: unknown): unknown {
  const kind = definition(type).type
  if (typeof value === 'string') {
    if (kind === 'number' && value.length < 40 && numeric.test(value.trim()))
      return Number(value.trim().replaceAll('_', ''))
    if (kind === 'boolean') return truths.get(value.trim().toLowerCase()) ?? value
  }
  // A fraction is not turned into text: `1.10` has already lost its zero.
  if (kind === 'string' && (typeof value === 'boolean' || Number.isSafeInteger(value))) return String(value)
  return value
}
