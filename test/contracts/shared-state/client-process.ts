import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Done, Tasks, Told } from './client-program.ts'

/** A process that uses the shared state, told what to do. */
export class ClientProcess {
  readonly child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>()
  #next = 1

  constructor() {
    this.child = fork(fileURLToPath(new URL('./client-program.ts', import.meta.url)), { execArgv: [] })
    this.child.on('message', (message: Partial<Done>) => {
      const waiting = this.#waiting.get(message.done ?? 0)
      if (waiting === undefined) return
      this.#waiting.delete(message.done ?? 0)
      if (message.error === undefined) waiting.resolve(message.answer as never)
      else waiting.reject(new Error(message.error))
    })
    this.child.on('exit', code => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the client ended with ${code}`))
      this.#waiting.clear()
    })
  }

  tell<T extends keyof Tasks>(task: T, ...args: Tasks[T]['args']): Promise<Tasks[T]['answer']> {
    const number = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.child.send({ task, number, args } satisfies Told)
    })
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve()
    return new Promise(resolve => {
      this.child.once('exit', () => resolve())
      this.child.kill('SIGKILL')
    })
  }
}
