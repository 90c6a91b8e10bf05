import type { Worker } from 'node:worker_threads'
import { type Task, type TaskResult, taskName } from './task.ts'
import type { WorkerMessage } from './training-worker.ts'

export interface TaskOptions {
  readonly signal: AbortSignal | undefined
  step(task: string, name: string): void
}

interface Running {
  said(message: WorkerMessage): void
  failed(error: Error): void
}

/** A worker, one task at a time. Heard from its first moment on: one may also end while it has nothing to do. */
export class TrainingThread {
  readonly #worker: Worker
  #running: Running | undefined
  #ended: Error | undefined

  constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (message: WorkerMessage) => this.#running?.said(message))
    worker.on('error', error => this.#end(error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', code => this.#end(new Error(`a training thread ended with code ${code}`)))
  }

  /** Rejects with the signal's reason, or with what ended the worker, then or before. */
  run(task: Task, { signal, step }: TaskOptions): Promise<TaskResult> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#running = undefined
        signal?.removeEventListener('abort', aborted)
        act()
      }
      const aborted = (): void => settle(() => reject(signal?.reason))
      this.#running = {
        said: message => {
          if (message.type === 'step') step(taskName(task), message.name)
          else settle(() => resolve(message.result))
        },
        failed: error => settle(() => reject(error)),
      }
      signal?.addEventListener('abort', aborted)
      this.#worker.postMessage(task)
    })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  /** What came first says why. */
  #end(error: Error): void {
    this.#ended ??= error
    this.#running?.failed(this.#ended)
  }
}
