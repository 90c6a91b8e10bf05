import { Worker } from 'node:worker_threads'
import { runTask, type Task, type TaskInput, type TaskResult, taskName } from './task.ts'
import type { WorkerMessage } from './training-worker.ts'

export interface RunOptions {
  /** 0: in this thread. */
  readonly threads: number
  readonly signal: AbortSignal | undefined
  step(task: string, name: string): void
  /** Called once per task, in the order in which they end; the next task of that thread waits for it. */
  done(result: TaskResult): Promise<void>
}

/** Runs the tasks, the longest of which should stand first. Rejects with the signal's reason when that is given. */
export async function runTasks(input: TaskInput, tasks: readonly Task[], options: RunOptions): Promise<void> {
  const waiting = [...tasks]
  options.signal?.throwIfAborted()
  if (options.threads === 0) {
    for (const task of waiting) {
      options.signal?.throwIfAborted()
      const step = (name: string): void => {
        options.step(taskName(task), name)
        options.signal?.throwIfAborted()
      }
      await options.done(runTask(input, task, step))
      // Lets timers and signals be heard between tasks.
      await new Promise(resolve => setImmediate(resolve))
    }
    return
  }
  const threads = Array.from(
    { length: Math.min(options.threads, tasks.length) },
    () => new Worker(workerFile, { workerData: input }),
  )
  try {
    await Promise.all(threads.map(thread => work(thread, waiting, options)))
  } finally {
    await Promise.all(threads.map(thread => thread.terminate()))
  }
}

/** Sources run as they are in development, compiled in a release. */
const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? './training-worker.ts' : './training-worker.js',
  import.meta.url,
)

async function work(thread: Worker, waiting: Task[], options: RunOptions): Promise<void> {
  for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
    options.signal?.throwIfAborted()
    await options.done(await resultOf(thread, task, options))
  }
}

function resultOf(thread: Worker, task: Task, { signal, step }: RunOptions): Promise<TaskResult> {
  return new Promise((resolve, reject) => {
    const said = (message: WorkerMessage): void => {
      if (message.type === 'step') step(taskName(task), message.name)
      else settle(() => resolve(message.result))
    }
    const failed = (error: Error): void => settle(() => reject(error))
    const ended = (code: number): void => failed(new Error(`a training thread ended with code ${code}`))
    const aborted = (): void => settle(() => reject(signal?.reason))
    // One by one: `removeAllListeners` would also take the worker's own, and it would never be heard again.
    function settle(act: () => void): void {
      thread.off('message', said).off('error', failed).off('exit', ended)
      signal?.removeEventListener('abort', aborted)
      act()
    }
    thread.on('message', said).on('error', failed).on('exit', ended)
    signal?.addEventListener('abort', aborted)
    thread.postMessage(task)
  })
}
