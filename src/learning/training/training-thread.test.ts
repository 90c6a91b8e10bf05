import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import type { Task } from './task.ts'
import { TrainingThread } from './training-thread.ts'

const task: Task = { kind: 'final' }
const options = { signal: undefined, step: () => undefined }
const workers: Worker[] = []

/** @param then what it does once it has answered */
function threadThat(then: string): { worker: Worker; thread: TrainingThread } {
  const code = `const { parentPort } = require('node:worker_threads')
    parentPort.on('message', () => { parentPort.postMessage({ type: 'done', result: { done: true } }); ${then} })`
  const worker = new Worker(code, { eval: true })
  workers.push(worker)
  return { worker, thread: new TrainingThread(worker) }
}

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate()
})

describe('a training thread', () => {
  it('does one task after the other', async () => {
    const { thread } = threadThat('')
    expect(await thread.run(task, options)).toEqual({ done: true })
    expect(await thread.run(task, options)).toEqual({ done: true })
  })

  it.each([
    ['exits', 'setTimeout(() => process.exit(7), 20)', 'a training thread ended with code 7'],
    ['fails', 'setTimeout(() => { throw new Error("out of memory") }, 20)', 'out of memory'],
  ])('that %s between two tasks refuses the next one, and does not hang', async (_what, then, message) => {
    const { worker, thread } = threadThat(then)
    await thread.run(task, options)
    await once(worker, 'exit').catch(() => once(worker, 'exit'))
    await expect(thread.run(task, options)).rejects.toThrow(message)
  })

  it('that exits in the middle of one rejects it, and so does the signal', async () => {
    const dying = new Worker("require('node:worker_threads').parentPort.on('message', () => process.exit(3))", {
      eval: true,
    })
    workers.push(dying)
    await expect(new TrainingThread(dying).run(task, options)).rejects.toThrow('ended with code 3')
    const silent = new Worker("require('node:worker_threads').parentPort.on('message', () => {})", { eval: true })
    workers.push(silent)
    const abort = new AbortController()
    const running = new TrainingThread(silent).run(task, { ...options, signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(running).rejects.toThrow('enough')
  })
})
