import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import type { LiveSecret } from '../secrets/live-secret.ts'
import type { SecretLookup, Secrets } from '../secrets/secrets.ts'
import { checkReferences } from './checks.ts'
import { gatherIncludes, type ReadFile, readFailure } from './include.ts'
import { findings } from './issues.ts'
import { attachLiveCredentials } from './live-credentials.ts'
import { type Environment, prepare } from './prepare.ts'
import { ConfigError, type Path, type Problem, pathText } from './problem.ts'
import { readSettled } from './read-settled.ts'
import { type GatewayConfig, gatewayConfig } from './schema.ts'
import { secretSource } from './secret-source.ts'
import { isYamlMap, Positions, parseYaml, type YamlMap } from './source.ts'

export interface LoadedConfig {
  readonly config: GatewayConfig
  /** Things to know that did not stop the config from loading. */
  readonly warnings: readonly Problem[]
  /** Absolute paths of all files read, the main one first; what to watch. Empty for a config that was not a file. */
  readonly files: readonly string[]
  /** 12 hex digits of the SHA-256 of the resolved content: equal hash, equal meaning. */
  readonly hash: string
  /** The environment with `environment_variables` on top: where vendors' default keys are looked up. */
  readonly env: Environment
  /** Variables whose value came from a secret manager, for vendors' default keys. */
  readonly liveEnv: ReadonlyMap<string, LiveSecret>
  /** To be adopted when the config comes into force, else discarded. */
  readonly secrets?: SecretLookup | undefined
}

export interface LoadOptions {
  /** Default: the environment of the process. */
  readonly env?: Environment
  /** False turns unknown keys into warnings, for people who migrate. Default: true. */
  readonly strict?: boolean
  /** Reads what references lead to. Without it, `os.environ/NAME` is the environment's alone, and others are refused. */
  readonly secrets?: Secrets
  /** Names a config uses without writing them, looked up in its secret manager as well: vendors' default keys. */
  readonly unwrittenNames?: (tree: YamlMap) => readonly string[]
}

export interface ParseOptions extends Omit<LoadOptions, 'secrets'> {
  /** What references lead to, read before: `include` of the config's own lookup. Without it, files and tokens are refused. */
  readonly lookup?: SecretLookup | undefined
  /** The name shown in problems. */
  readonly file?: string
}

/** A config of more than this is a mistake (a model file passed as config, for one). */
const maxBytes = 10_000_000

/** Reads, merges, checks and resolves a config file. @throws ConfigError with everything that is wrong. */
export async function loadConfig(
  path: string,
  options: LoadOptions = {},
  read: ReadFile = readSettled,
): Promise<LoadedConfig> {
  const file = resolve(path)
  let text: string
  try {
    text = await read(file)
  } catch (error) {
    throw new ConfigError([fileProblem(file, `cannot read the config: ${readFailure(error)}`)], [file])
  }
  const strict = options.strict ?? true
  const positions = new Positions()
  const parsed = parseBounded(text, file, positions, strict)
  const gathered = await gatherIncludes(parsed.root, file, read, positions, strict)
  const problems = [...parsed.problems, ...gathered.problems]
  const secrets = await openSecrets(gathered.root, file, options)
  try {
    return compose(gathered.root, positions, problems, gathered.files, file, options, secrets)
  } catch (error) {
    secrets?.lookup.discard()
    throw error
  }
}

interface OpenSecrets {
  readonly lookup: SecretLookup
  readonly unwritten: readonly string[]
}

async function openSecrets(root: unknown, file: string, options: LoadOptions): Promise<OpenSecrets | undefined> {
  if (options.secrets === undefined || !isYamlMap(root)) return undefined
  const source = secretSource(root, file, options.env ?? process.env)
  if (source === undefined) return undefined
  const unwritten = source.settings.system === 'local' ? [] : (options.unwrittenNames?.(root) ?? [])
  return { lookup: await options.secrets.open(source, root, unwritten), unwritten }
}

/** The same for a text. `include:` is not followed here. @throws ConfigError */
export function parseConfig(text: string, options: ParseOptions = {}): LoadedConfig {
  const file = options.file ?? 'config.yaml'
  const positions = new Positions()
  const parsed = parseBounded(text, file, positions, options.strict ?? true)
  const problems = [...parsed.problems]
  if (isYamlMap(parsed.root) && parsed.root['include'] != null) {
    const place = positions.locate(parsed.root, ['include'], 'key')
    const message = 'other files can only be included from a config file'
    problems.push({ ...fileProblem(file, message), ...place, path: 'include' })
  }
  const secrets = options.lookup === undefined ? undefined : { lookup: options.lookup, unwritten: [] }
  return compose(parsed.root, positions, problems, [], file, options, secrets)
}

function fileProblem(file: string, message: string): Problem {
  return { file, line: 1, column: 1, path: '', message, severity: 'error' }
}

function parseBounded(text: string, file: string, positions: Positions, strict: boolean) {
  if (text.length <= maxBytes) return parseYaml(text, file, positions, strict)
  return { root: undefined, problems: [fileProblem(file, 'larger than 10 MB; this cannot be a config')] }
}

function compose(
  root: unknown,
  positions: Positions,
  found: readonly Problem[],
  files: readonly string[],
  file: string,
  options: LoadOptions,
  secrets?: OpenSecrets,
): LoadedConfig {
  const problems = [...found]
  const failed = () => problems.some(problem => problem.severity === 'error')
  if (root !== null && root !== undefined && !isYamlMap(root)) {
    problems.push(fileProblem(file, 'a config is a map of sections: model_list, router_settings, …'))
  }
  // A file that was only truncated so far must not replace a working config by nothing; LiteLLM refuses it as well.
  if (root === null) {
    problems.push(fileProblem(file, 'the config is empty; `routeiq init` writes one to start from'))
    throw new ConfigError(problems, files)
  }
  const tree: YamlMap = isYamlMap(root) ? root : {}
  const paths = new Map<Problem, Path>()
  const report = (path: Path, message: string, severity: Problem['severity'], at: 'key' | 'value') => {
    const place = positions.locate(tree, path, at) ?? { file, line: 1, column: 1 }
    const problem: Problem = { ...place, path: pathText(path), message, severity }
    problems.push(problem)
    paths.set(problem, path)
  }
  // After broken YAML everything else would be an echo.
  if (root === undefined && failed()) throw new ConfigError(problems, files)

  const prepared = prepare(gatewayConfig, tree, {
    env: options.env ?? process.env,
    strict: options.strict ?? true,
    secrets: secrets?.lookup,
    report,
  })
  const unusable = secrets?.lookup.problem
  if (unusable !== undefined) report(['general_settings', 'key_management_system'], unusable, 'error', 'value')
  // Compiling validators (`jitless: false`) takes 20 ms and pays off after hundreds of configs.
  const judge = () => gatewayConfig.safeParse(prepared.value, { jitless: true })
  let result = judge()
  if (!result.success) {
    const known = new Set(problems.filter(problem => problem.severity === 'error').map(problem => problem.path))
    for (const { path, message } of findings(result.error.issues, gatewayConfig, prepared.value, prepared.fromEnv)) {
      if (!known.has(pathText(path))) report(path, message, 'error', 'value')
    }
  }
  const skipped = new Set<number>()
  if (ignoresInvalid(prepared.value)) {
    skipInvalid(problems, paths, skipped)
    const list = prepared.value['model_list']
    if (skipped.size > 0 && Array.isArray(list)) {
      prepared.value['model_list'] = list.filter((_, index) => !skipped.has(index))
      result = judge()
    }
  }
  const listed = tree['model_list']
  const kept = Array.isArray(listed) ? [...listed.keys()].filter(index => !skipped.has(index)) : []
  const writtenAt = (index: number): number => kept[index] ?? index
  if (result.success) {
    checkReferences(result.data, writtenAt, (path, message, severity) => report(path, message, severity, 'value'))
  }
  problems.sort(byPlace(files))
  if (!result.success || failed()) throw new ConfigError(problems, files)
  const config = result.data
  const followed = attachLiveCredentials(config, prepared, writtenAt)
  for (const [path, { reference }] of prepared.live) if (!followed.has(path)) secrets?.lookup.needsReload(reference)
  return {
    config,
    warnings: problems,
    files,
    hash: hashOf(prepared.value),
    env: prepared.env,
    liveEnv: liveNames(secrets),
    secrets: secrets?.lookup,
  }
}

function liveNames(secrets: OpenSecrets | undefined): ReadonlyMap<string, LiveSecret> {
  const live = new Map<string, LiveSecret>()
  for (const name of secrets?.unwritten ?? []) {
    const found = secrets?.lookup.find(`os.environ/${name}`)
    if (found?.kind === 'found') live.set(name, found.secret)
  }
  return live
}

/** In reading order: the main file first, top to bottom. */
function byPlace(files: readonly string[]) {
  return (a: Problem, b: Problem) =>
    files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column
}

function ignoresInvalid(value: YamlMap): boolean {
  const router = value['router_settings']
  return isYamlMap(router) && router['ignore_invalid_deployments'] === true
}

/** Errors inside a `model_list` entry become warnings, and the entry is left out. */
function skipInvalid(problems: Problem[], paths: ReadonlyMap<Problem, Path>, skipped: Set<number>) {
  for (const [position, problem] of problems.entries()) {
    const path = paths.get(problem)
    if (problem.severity !== 'error' || path?.[0] !== 'model_list' || typeof path[1] !== 'number') continue
    skipped.add(path[1])
    problems[position] = { ...problem, severity: 'warning', message: `${problem.message}; this deployment is skipped` }
  }
}

/** Key order does not matter, everything else does; credentials go in, but cannot be read back out of 48 bits. */
function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 12)
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isYamlMap(value)) return JSON.stringify(value) ?? 'null'
  const parts = Object.keys(value)
    .sort()
    .filter(name => value[name] !== undefined)
    .map(name => `${JSON.stringify(name)}:${canonical(value[name])}`)
  return `{${parts.join(',')}}`
}
