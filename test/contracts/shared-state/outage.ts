import { expect } from 'vitest'
import {
  type SharedState,
  type SharedStateEvents,
  StateUnavailable,
} from '../../../src/platform/shared-state/shared-state.ts'
import { eventually } from './eventually.ts'
import { item, longTtl, sleep, standOf, unique } from './world.ts'

/** What a state tells, kept. */
export class Diary implements SharedStateEvents {
  readonly reasons: string[] = []
  readonly failures: unknown[] = []
  lostSettlements = 0

  readonly lost = (reason: Error): void => void this.reasons.push(reason.message)
  readonly failed = (error: unknown): void => void this.failures.push(error)
  readonly dropped = (count: number): void => {
    this.lostSettlements += count
  }
}

export async function reserveOnce(state: SharedState, key: string, id = unique()): Promise<string> {
  const result = await state.reserve(id, [item(key, 1_000_000)], longTtl)
  expect(result.granted).toBe(true)
  return id
}

export const comesBack = (state: SharedState): Promise<void> => eventually(() => state.available).toBe(true)

export const stands = (state: SharedState, key: string, used: number, reserved: number): Promise<void> =>
  eventually(() => standOf(state, key).catch(() => undefined)).toEqual([used, reserved])

/** One call waits for the time-out, which marks the outage; all others fail without waiting. */
export async function failsFast(state: SharedState, timeout: number): Promise<void> {
  const key = unique()
  await expect(reserveOnce(state, key)).rejects.toBeInstanceOf(StateUnavailable)
  expect(state.available).toBe(false)
  const start = performance.now()
  for (let i = 0; i < 1000; i++) await expect(reserveOnce(state, key)).rejects.toBeInstanceOf(StateUnavailable)
  await expect(state.read([key])).rejects.toBeInstanceOf(StateUnavailable)
  await expect(state.get(key)).rejects.toBeInstanceOf(StateUnavailable)
  await expect(state.lock(key, 1000)).rejects.toBeInstanceOf(StateUnavailable)
  await expect(state.publish(key, '')).rejects.toBeInstanceOf(StateUnavailable)
  // A thousand of them, in less than one would have waited.
  expect(performance.now() - start).toBeLessThan(timeout)
}

/**
 * Calls go on while the state is cut off again and again. Whatever was granted is settled; in the end each use stands
 * exactly once, and nothing is reserved by calls that never got an answer.
 */
export async function countsOnceThrough(state: SharedState, cuts: readonly (() => Promise<void>)[]): Promise<void> {
  const key = unique()
  const worth = 3
  let granted = 0
  let refusedByOutage = 0
  let going = true
  const caller = async (): Promise<void> => {
    while (going) {
      try {
        const id = await reserveOnce(state, key)
        granted++
        await sleep(Math.random() * 4)
        state.settle(id, [worth])
        if (granted % 10 === 0) state.settle(id, [worth])
      } catch (error) {
        if (!(error instanceof StateUnavailable)) throw error
        refusedByOutage++
        await sleep(5)
      }
    }
  }
  const callers = Array.from({ length: 8 }, caller)
  for (const cut of cuts) {
    await sleep(150)
    await cut()
    await comesBack(state)
  }
  await sleep(150)
  going = false
  await Promise.all(callers)
  expect(refusedByOutage).toBeGreaterThan(0)
  await comesBack(state)
  await state.flush()
  await stands(state, key, worth * granted, 0)
}
