/** A process that uses the shared state as its parent tells it; the parent may be its primary as well. */
import { FleetState } from '../../../src/platform/shared-state/fleet/fleet-state.ts'
import { ipcPort } from '../../../src/platform/shared-state/fleet/ipc.ts'
import { openSharedState } from '../../../src/platform/shared-state/open.ts'
import type { RedisOptions } from '../../../src/platform/shared-state/redis/options.ts'
import type { LeaseResult, SharedState } from '../../../src/platform/shared-state/shared-state.ts'
import { item, live, longTtl } from './world.ts'

/** What the parent tells, and with which answer it is done. */
export interface Tasks {
  open: { readonly args: readonly [redis?: RedisOptions]; readonly answer: undefined }
  /** Asks for all at once. How many were granted. */
  take: { readonly args: readonly [key: string, limit: number, calls: number, ttl: number]; readonly answer: number }
  /** Calls of which a few run at once, each reserving the worst and using less, or failing. What was used. */
  spend: { readonly args: readonly [key: string, limit: number, calls: number, worst: number]; readonly answer: number }
  /** Calls in parallel, as many at once as there are. The most that were ever seen reserved. */
  overlap: { readonly args: readonly [key: string, limit: number, calls: number]; readonly answer: number }
}

export interface Told {
  readonly task: keyof Tasks
  readonly number: number
  readonly args: readonly unknown[]
}

export interface Done {
  readonly done: number
  readonly answer?: unknown
  readonly error?: string
}

let state: SharedState
let serial = 0
const newId = (): string => `${process.pid}-${++serial}`

const tasks: { readonly [T in keyof Tasks]: (...args: Tasks[T]['args']) => Promise<Tasks[T]['answer']> } = {
  async open(redis) {
    state = redis === undefined ? new FleetState(ipcPort(process)) : await openSharedState({ kind: 'redis', redis })
    return undefined
  },

  async take(key, limit, calls, ttl) {
    const results = await Promise.all(
      Array.from({ length: calls }, async (): Promise<LeaseResult> => state.reserve(newId(), [item(key, limit)], ttl)),
    )
    return results.filter(({ granted }) => granted).length
  },

  async spend(key, limit, calls, worst) {
    let used = 0
    let left = calls
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const id = newId()
        const result = await state.reserve(id, [item(key, limit, { amount: worst, overdraft: true })], longTtl)
        if (!result.granted) continue
        const actual = left % 5 === 0 ? undefined : 1 + (left % worst)
        used += actual ?? 0
        state.settle(id, actual === undefined ? undefined : [actual])
        // As a network that repeats itself would.
        if (left % 7 === 0) state.settle(id, [worst])
      }
    }
    await Promise.all(Array.from({ length: 16 }, caller))
    await state.flush()
    return used
  },

  async overlap(key, limit, calls) {
    let most = 0
    const caller = async (): Promise<void> => {
      const id = newId()
      const result = await state.reserve(id, [item(key, limit, { window: live })], longTtl)
      most = Math.max(most, result.values[0]?.reserved ?? 0)
      if (result.granted) state.settle(id, [1])
    }
    for (let i = 0; i < calls; i += 50) await Promise.all(Array.from({ length: 50 }, caller))
    await state.flush()
    return most
  },
}

process.on('message', (message: Partial<Told>) => {
  const { task, number, args } = message
  if (task === undefined || number === undefined || args === undefined) return
  const run = tasks[task] as (...given: readonly unknown[]) => Promise<unknown>
  const tell = (done: Done): void => void process.send?.(done)
  run(...args).then(
    answer => tell({ done: number, answer }),
    error => tell({ done: number, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
