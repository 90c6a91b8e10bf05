import { Worker } from 'node:worker_threads'
import { runTask, type Task, type TaskInput, type TaskResult, taskName } from './task.ts'
import { type TaskOptions, TrainingThread } from './training-thread.ts'

export interface RunOptions extends TaskOptions {
  /** 0: in this thread. */
  readonly threads: number
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
    () => new TrainingThread(new Worker(workerFile, { workerData: input })),
  )
  try {
    await Promise.all(threads.map(thread => work(thread, waiting, options)))
  } finally {
    await Promise.all(threads.map(thread => thread.close()))
  }
}

/** Sources run as they are in development, compiled in a release. */
const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? './training-worker.ts' : './training-worker.js',
  import.meta.url,
)

async function work(thread: TrainingThread, waiting: Task[], options: RunOptions): Promise<void> {
  for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
    options.signal?.throwIfAborted()
    await options.done(await thread.run(task, options))
  }
}
