import { parentPort, workerData } from 'node:worker_threads'
import { runTask, type Task, type TaskInput, type TaskResult } from './task.ts'

/** From the thread to its owner. */
export type WorkerMessage =
  | { readonly type: 'step'; readonly name: string }
  | { readonly type: 'done'; readonly result: TaskResult }

const input = workerData as TaskInput
parentPort?.on('message', (task: Task) => {
  const say = (message: WorkerMessage): void => parentPort?.postMessage(message)
  say({ type: 'done', result: runTask(input, task, name => say({ type: 'step', name })) })
})
