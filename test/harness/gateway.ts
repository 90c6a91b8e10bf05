import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { isJson, type Json } from '../upstream/types.ts'
import { residentBytes } from './resident-memory.ts'

/** The repository's root. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface GatewayOptions {
  /** LiteLLM-style config: YAML text or an object. Without it the gateway starts with its own defaults. */
  readonly config?: string | Json
  /** Further arguments of the CLI. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Milliseconds until the gateway must be listening. Default 15,000. */
  readonly startTimeout?: number
  /** Milliseconds between SIGTERM and SIGKILL when stopping. Default 5,000. */
  readonly stopTimeout?: number
  /** Pins the process to these cores (`taskset -c`). */
  readonly cores?: string
  /** Command in place of `node src/cli/main.ts` (the built program, for instance). */
  readonly command?: readonly string[]
  /** Leaves the config as given: no egress allow-list, no master key added. */
  readonly bare?: boolean
}

export interface Gateway {
  readonly url: string
  readonly port: number
  /** The master key. */
  readonly key: string
  readonly pid: number
  /** Where the config was written; undefined when none was given. */
  readonly configPath: string | undefined
  /** All output so far, stdout and stderr in order of arrival. */
  logs(): string
  /** Writes a new config to the same file; the gateway's own watcher (or a signal) picks it up. */
  writeConfig(config: string | Json): void
  signal(name: NodeJS.Signals): void
  /** Resident memory in bytes, with that of child processes. Linux. */
  rss(): number
  /** Resolves with the first new output line that fits. */
  waitForLog(pattern: RegExp, timeout?: number): Promise<string>
  /**
   * Ends the process (SIGTERM, then SIGKILL after 5 s) and removes its files.
   * @throws Error when it crashed, or logged an unhandled rejection or uncaught exception, at any time before.
   */
  stop(): Promise<void>
}

const defectPattern = /unhandled\s?rejection|uncaught\s?exception|MaxListenersExceededWarning/i
const listeningPattern = /listening on (https?:\/\/[^\s"]+)/

/** Starts the real command-line program and waits until it listens. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'routeiq-test-'))
  const key = `sk-test-${randomBytes(12).toString('hex')}`
  const args = ['--port', '0', '--host', '127.0.0.1']
  let configPath: string | undefined
  let masterKey = key
  if (options.config !== undefined) {
    configPath = join(folder, 'config.yaml')
    const prepared = prepareConfig(options.config, key, options.bare === true)
    masterKey = prepared.key
    writeFileSync(configPath, prepared.text)
    args.unshift('--config', configPath)
  }
  const program = options.command ?? [nodePath(), join(root, 'src/cli/main.ts')]
  const whole = [...program, ...args, ...(options.args ?? [])]
  if (options.cores !== undefined) whole.unshift('taskset', '-c', options.cores)
  const [command = '', ...rest] = whole
  const child = spawn(command, rest, {
    cwd: folder,
    env: {
      ...process.env,
      NODE_ENV: undefined,
      LITELLM_MASTER_KEY: options.config === undefined ? key : undefined,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const running = new RunningGateway(child, masterKey, configPath, folder, options)
  try {
    const line = await running.waitForLog(listeningPattern, options.startTimeout ?? 15_000)
    running.url = (listeningPattern.exec(line)?.[1] ?? '').replace(/\/$/, '')
    running.port = Number(new URL(running.url).port)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`the gateway did not start: ${why}\n${running.logs()}`)
  }
  return running
}

class RunningGateway implements Gateway {
  url = ''
  port = 0
  readonly key: string
  readonly pid: number
  readonly configPath: string | undefined
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #bare: boolean
  readonly #stopTimeout: number
  readonly #output: string[] = []
  readonly #listeners = new Set<() => void>()
  #exit: string | undefined
  #stopped: Promise<void> | undefined

  constructor(
    child: ChildProcess,
    key: string,
    configPath: string | undefined,
    folder: string,
    options: GatewayOptions,
  ) {
    this.#child = child
    this.key = key
    this.pid = child.pid ?? 0
    this.configPath = configPath
    this.#folder = folder
    this.#bare = options.bare === true
    this.#stopTimeout = options.stopTimeout ?? 5000
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8')
      stream?.on('data', (text: string) => {
        this.#output.push(text)
        this.#notify()
      })
    }
    child.on('error', error => this.#ended(error.message))
    child.on('exit', (code, signal) => this.#ended(`exit ${code ?? signal}`))
  }

  #ended(how: string): void {
    this.#exit ??= how
    this.#notify()
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  logs(): string {
    return this.#output.join('')
  }

  writeConfig(config: string | Json): void {
    if (this.configPath === undefined) throw new Error('this gateway was started without a config')
    writeFileSync(this.configPath, prepareConfig(config, this.key, this.#bare).text)
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  rss(): number {
    return residentBytes(this.pid)
  }

  waitForLog(pattern: RegExp, timeout = 5000): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#listeners.delete(look)
        act()
      }
      const look = (): void => {
        const line = this.logs()
          .split('\n')
          .find(entry => pattern.test(entry))
        if (line !== undefined) settle(() => resolve(line))
        else if (this.#exit !== undefined) settle(() => reject(new Error(`it ended (${this.#exit}) before ${pattern}`)))
      }
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no output ${pattern} within ${timeout} ms`))),
        timeout,
      )
      this.#listeners.add(look)
      look()
    })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    const crashed = this.#exit
    if (crashed === undefined) {
      const exited = new Promise<void>(resolve => this.#child.once('exit', () => resolve()))
      this.#child.kill('SIGTERM')
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#stopTimeout)
      await exited
      clearTimeout(timer)
    }
    rmSync(this.#folder, { recursive: true, force: true })
    const defect = this.logs()
      .split('\n')
      .find(line => defectPattern.test(line))
    if (crashed !== undefined) throw new Error(`the gateway ended by itself (${crashed}):\n${this.#tail()}`)
    if (defect !== undefined) throw new Error(`the gateway has a defect: ${defect}\n${this.#tail()}`)
    if (this.#exit === 'exit SIGKILL')
      throw new Error(`the gateway did not end within ${this.#stopTimeout} ms of SIGTERM:\n${this.#tail()}`)
  }

  #tail(): string {
    return this.logs().slice(-4000)
  }
}

/** Adds what every test needs: loopback upstreams allowed, a master key known to the test. */
export function prepareConfig(config: string | Json, key: string, bare: boolean): { text: string; key: string } {
  if (bare) return { text: typeof config === 'string' ? config : stringify(config), key }
  const value: unknown = typeof config === 'string' ? parse(config) : structuredClone(config)
  // A text that is no mapping is a test of bad configs: it goes out as it is.
  if (!isJson(value)) return { text: String(config), key }
  const ours = isJson(value['routeiq']) ? value['routeiq'] : {}
  const egress = isJson(ours['egress']) ? ours['egress'] : {}
  value['routeiq'] = { ...ours, egress: { allow_cidrs: ['127.0.0.0/8'], ...egress } }
  const general = isJson(value['general_settings']) ? value['general_settings'] : {}
  value['general_settings'] = { master_key: key, ...general }
  const used = (value['general_settings'] as Json)['master_key']
  return { text: stringify(value), key: typeof used === 'string' ? used : key }
}

/** The pinned Node of the repository, else the one that runs this. */
export function nodePath(): string {
  const pinned = join(root, 'node_modules/.bin/node')
  return existsSync(pinned) ? pinned : process.execPath
}
