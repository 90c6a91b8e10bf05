import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { childrenOf, residentBytes } from '../test/harness/resident-memory.ts'

export interface Program {
  readonly pid: number
  /** The process and all its descendants. */
  pids(): number[]
  rss(): number
  stop(): Promise<void>
}

/** Starts a program pinned to cores; its output goes to a file, so a full pipe cannot slow it. */
export function startProgram(
  command: readonly string[],
  options: { cores: string; folder: string; name: string; env?: NodeJS.ProcessEnv },
): Program {
  const output = openSync(join(options.folder, `${options.name}.log`), 'a')
  const pinned = hasCommand('taskset') ? ['taskset', '-c', options.cores, ...command] : [...command]
  const [file = '', ...args] = pinned
  const child: ChildProcess = spawn(file, args, {
    cwd: options.folder,
    stdio: ['ignore', output, output],
    env: { ...process.env, NODE_ENV: 'production', ...options.env },
  })
  let exited = false
  const exit = new Promise<void>(resolve => {
    const end = (): void => {
      exited = true
      resolve()
    }
    child.once('exit', end)
    child.once('error', end)
  })
  const pid = child.pid ?? 0
  return {
    pid,
    pids: () => descendants(pid),
    rss: () => residentBytes(pid),
    stop: async () => {
      if (exited) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
      await exit
      clearTimeout(timer)
    },
  }
}

function descendants(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(descendants)]
}

export function hasCommand(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await new Promise<void>(resolve => server.close(() => resolve()))
  return port
}

/** Polls until the call succeeds. @returns milliseconds that took. */
export async function untilServed(attempt: () => Promise<boolean>, timeout: number): Promise<number> {
  const started = performance.now()
  while (performance.now() - started < timeout) {
    if (await attempt().catch(() => false)) return performance.now() - started
    await sleep(5)
  }
  throw new Error(`did not serve a request within ${timeout} ms`)
}
