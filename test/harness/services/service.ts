import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { childrenOf } from '../resident-memory.ts'

/** A server that a test started for itself, on a loopback port of its own. */
export interface Service {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** What it has written so far, its last 64 KB. */
  logs(): string
  /** Ends the server and its children at once, data kept; `start` brings it back on the same port. Default SIGKILL. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** After `kill`. Resolves when it answers. */
  start(): Promise<void>
  /** Freezes the server and its children: connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** Ends the server and removes its data. */
  stop(): Promise<void>
}

export interface ServicePlan {
  /** For messages. */
  readonly name: string
  readonly command: readonly string[]
  readonly folder: string
  readonly url: string
  readonly port: number
  /** Looked for in the output; the server answers then. */
  readonly ready: RegExp
  readonly env?: NodeJS.ProcessEnv
  /** Whom to run it as, when it must not be root. */
  readonly user?: ServiceUser | undefined
  /** Ends the server at once, and cleanly enough that it leaves nothing behind. Default SIGKILL. */
  readonly endSignal?: NodeJS.Signals
}

export interface ServiceUser {
  readonly uid: number
  readonly gid: number
}

const startTimeout = 20_000
const killTimeout = 5000
const keptOutput = 65_536

/** Starts the plan's command and waits until it is ready. Nothing of it outlives this process. */
export async function startService(plan: ServicePlan): Promise<Service> {
  const service = new RunningService(plan)
  try {
    await service.start()
  } catch (error) {
    await service.stop()
    throw error
  }
  return service
}

class RunningService implements Service {
  readonly url: string
  readonly port: number
  readonly #plan: ServicePlan
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #output = ''

  constructor(plan: ServicePlan) {
    this.#plan = plan
    this.url = plan.url
    this.port = plan.port
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  logs(): string {
    return this.#output
  }

  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.#plan.name} runs already`)
    this.#output = ''
    const [command = '', ...args] = tied(this.#plan)
    const child = spawn(command, args, {
      cwd: this.#plan.folder,
      env: { ...process.env, LC_ALL: 'C', ...this.#plan.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    running.add(this)
    this.#exited = new Promise(resolve => child.once('close', () => resolve()))
    child.once('close', () => this.#gone(child))
    await this.#ready(child)
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#signal(signal)
    await this.#ended()
  }

  pause(): void {
    this.#signal('SIGSTOP')
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  async stop(): Promise<void> {
    this.#end()
    await this.#ended()
    rmSync(this.#plan.folder, { recursive: true, force: true })
  }

  /** While the process exits: nothing can be waited for but by standing still. */
  abandon(): void {
    this.#end()
    const { folder } = this.#plan
    // The server still writes; what it makes while its folder is removed stays without an error.
    for (let attempt = 0; attempt < 40 && existsSync(folder); attempt++) {
      try {
        rmSync(folder, { recursive: true, force: true })
      } catch {
        // Again, then.
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
    }
  }

  #end(): void {
    // What is frozen hears no signal but SIGKILL.
    this.resume()
    this.#child?.kill(this.#plan.endSignal ?? 'SIGKILL')
  }

  async #ended(): Promise<void> {
    const timer = setTimeout(() => this.#signal('SIGKILL'), killTimeout)
    await this.#exited
    clearTimeout(timer)
  }

  /** The server first, so that it starts no new children; then each of them: PostgreSQL's lead process groups of their own. */
  #signal(name: NodeJS.Signals): void {
    const { pid } = this
    if (pid === 0) return
    for (const member of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(member, name)
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  #gone(child: ChildProcess): void {
    if (this.#child !== child) return
    this.#child = undefined
    running.delete(this)
  }

  #ready(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${this.#plan.name} ${why}:\n${this.#output}`))
      const timer = setTimeout(() => fail(`was not ready after ${startTimeout} ms`), startTimeout)
      const read = (text: string): void => {
        this.#output = (this.#output + text).slice(-keptOutput)
        if (!this.#plan.ready.test(this.#output)) return
        clearTimeout(timer)
        resolve()
      }
      for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', read)
      child.once('error', error => fail(`did not start (${error.message})`))
      child.once('close', code => {
        clearTimeout(timer)
        fail(`ended with ${code}`)
      })
    })
  }
}

/** Servers of this process. They are ended with it, by pid, whatever the tests did. */
const running = new Set<RunningService>()
process.on('exit', () => {
  for (const service of running) service.abandon()
})

/** Also when this process is killed without a chance to clean up: the kernel then ends what it started. */
function tied({ command, user, endSignal = 'SIGKILL' }: ServicePlan): readonly string[] {
  const setpriv = findProgram('setpriv')
  if (setpriv === undefined) {
    if (user !== undefined) throw new Error('setpriv (util-linux) is needed to run a server as another user than root')
    return command
  }
  const as = user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']
  return [setpriv, '--pdeathsig', endSignal.slice(3), ...as, ...command]
}

/** The first of the folders, then of PATH, that has the program. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const path = (process.env['PATH'] ?? '').split(delimiter)
  return [...folders, ...path].map(folder => join(folder, name)).find(existsSync)
}

/** Below the ports that the kernel gives to outgoing connections, of which tests that run beside this one make thousands. */
const ports = { from: 12_000, to: 32_000 }

/** A loopback port that was free a moment ago, and that only another search like this one can take. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(ports.from, ports.to)
    const free = await new Promise<boolean>(resolve => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
  throw new Error(`no free port from ${ports.from} to ${ports.to}`)
}
