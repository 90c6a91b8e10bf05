import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { nodePath, root } from '../harness/gateway.ts'

export interface StoreProcess {
  /** Resolves with the first output that fits. */
  says(pattern: RegExp): Promise<string>
  output(): string
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
  kill(): void
}

const running = new Set<ChildProcess>()

/** Another process with a store of its own on the same database. */
export function startStoreProcess(work: string, where: string, count = 0): StoreProcess {
  const program = join(root, 'test/contracts/store-program.ts')
  const child = spawn(nodePath(), [program, work, where, String(count)], { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  const listeners = new Set<() => void>()
  const notify = (): void => {
    for (const listener of listeners) listener()
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      notify()
    })
  }
  const ended = new Promise<number | string>(resolve =>
    child.once('close', (code, signal) => {
      running.delete(child)
      resolve(code ?? signal ?? '')
      notify()
    }),
  )
  return {
    output: () => output,
    ended,
    kill: () => void child.kill('SIGKILL'),
    says: pattern =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(output)?.[0]
          if (found === undefined && running.has(child)) return
          listeners.delete(look)
          if (found === undefined) reject(new Error(`it ended before ${pattern}:\n${output}`))
          else resolve(found)
        }
        listeners.add(look)
        look()
      }),
  }
}

export function killStoreProcesses(): void {
  for (const child of running) child.kill('SIGKILL')
}
