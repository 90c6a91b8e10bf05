import { parseArgs } from 'node:util'
import { version } from '../platform/version.ts'

export interface ServeOptions {
  /** Undefined: the built-in demo. */
  readonly configPath: string | undefined
  readonly port: number
  readonly host: string
  readonly workers: number
  readonly debug: boolean
  /** False: unknown config keys are warnings. */
  readonly strict: boolean
  /** Prefix of all paths (`SERVER_ROOT_PATH`). */
  readonly rootPath: string
}

export type Parsed =
  | { readonly command: 'serve'; readonly options: ServeOptions }
  | { readonly command: 'check'; readonly file: string; readonly strict: boolean }
  | { readonly command: 'init'; readonly file: string; readonly force: boolean }
  | { readonly command: 'audit' | 'import' | 'router'; readonly args: readonly string[] }
  | { readonly command: 'print'; readonly text: string }
  | { readonly command: 'misuse'; readonly text: string }

const usage = `routeiq ${version}: AI gateway

  routeiq [serve] [options]      start the gateway; without a config it serves built-in demo models
  routeiq check <config.yaml>    validate a config and explain it, without starting
  routeiq init [config.yaml]     write a commented config to start from
  routeiq import litellm         copy keys, teams, users, budgets, models (routeiq import --help)
  routeiq router eval|train|…    learn which model answers which prompt best (routeiq router --help)
  routeiq audit verify           check the hash chain of the audit log (routeiq audit --help)

Options of serve:
  --config, -c <file>      LiteLLM config.yaml               (env CONFIG_FILE_PATH)
  --port <number>          port to listen on, 0 = any free   (env PORT, default 4000)
  --host <address>         address to listen on              (env HOST, default 0.0.0.0; demo: 127.0.0.1)
  --num_workers <number>   worker processes                  (env NUM_WORKERS, default 1)
  --detailed_debug         log every attempt, with stacks
  --allow_unknown_keys     unknown config keys are warnings, for people who migrate (also for check)
  --force                  init: overwrite an existing file
  --version, -v            print the version
  --help, -h               print this text

The master key comes from general_settings.master_key or LITELLM_MASTER_KEY; without one, a key is generated and printed.
`

const maxWorkers = 256

/** Command line and environment → what to do. Spelling errors are answered with the usage text, never ignored. */
export function parseArguments(argv: readonly string[], env: NodeJS.ProcessEnv): Parsed {
  // Commands with options of their own read them themselves.
  const [first, ...own] = argv
  if (first === 'audit' || first === 'import' || first === 'router') return { command: first, args: own }
  let values: ReturnType<typeof parse>['values']
  let positionals: string[]
  try {
    ;({ values, positionals } = parse(argv))
  } catch (error) {
    return misuse(error instanceof Error ? error.message : String(error))
  }
  if (values.help) return { command: 'print', text: usage }
  if (values.version) return { command: 'print', text: `${version}\n` }
  const [command = 'serve', file, ...rest] = positionals
  if (rest.length > 0) return misuse(`unexpected argument: ${rest[0]}`)
  const strict = !values.allow_unknown_keys
  switch (command) {
    case 'serve':
      return file === undefined ? serveOptions(values, env, strict) : misuse(`unexpected argument: ${file}`)
    case 'check': {
      const path = file ?? values.config ?? env['CONFIG_FILE_PATH']
      return path === undefined
        ? misuse('check needs a file: routeiq check config.yaml')
        : { command, file: path, strict }
    }
    case 'init':
      return { command, file: file ?? 'config.yaml', force: values.force === true }
    default:
      return misuse(`unknown command: ${command}`)
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      port: { type: 'string' },
      host: { type: 'string' },
      num_workers: { type: 'string' },
      detailed_debug: { type: 'boolean' },
      debug: { type: 'boolean' },
      allow_unknown_keys: { type: 'boolean' },
      force: { type: 'boolean' },
      version: { type: 'boolean', short: 'v' },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

function serveOptions(values: ReturnType<typeof parse>['values'], env: NodeJS.ProcessEnv, strict: boolean): Parsed {
  const configPath = values.config ?? (env['CONFIG_FILE_PATH'] || undefined)
  const port = wholeNumber(values.port ?? env['PORT'] ?? '4000', 0, 65_535)
  if (port === undefined) return misuse('--port must be a number from 0 to 65535')
  const workers = wholeNumber(values.num_workers ?? env['NUM_WORKERS'] ?? '1', 1, maxWorkers)
  if (workers === undefined) return misuse(`--num_workers must be a number from 1 to ${maxWorkers}`)
  const rootPath = (env['SERVER_ROOT_PATH'] ?? '').replace(/\/+$/, '')
  return {
    command: 'serve',
    options: {
      configPath,
      port,
      // The demo is for the machine it runs on; a configured gateway is a server.
      host: values.host ?? env['HOST'] ?? (configPath === undefined ? '127.0.0.1' : '0.0.0.0'),
      workers,
      debug: values.detailed_debug === true || values.debug === true,
      strict,
      rootPath: rootPath === '' || rootPath.startsWith('/') ? rootPath : `/${rootPath}`,
    },
  }
}

function wholeNumber(text: string, min: number, max: number): number | undefined {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : undefined
}

function misuse(message: string): Parsed {
  return { command: 'misuse', text: `routeiq: ${message}\n\n${usage}` }
}
