import { expect, it } from 'vitest'
import { SpareMemory, type SpareMemoryOptions } from './spare-memory.ts'

let now = 0
let ended = 0
let inFlight = 0
let collected = 0

function watched(changes: Partial<SpareMemoryOptions> = {}): SpareMemory {
  now = ended = inFlight = collected = 0
  return new SpareMemory({
    after: () => 120_000,
    calls: () => ended,
    inFlight: () => inFlight,
    log: { info: () => {} },
    collect: () => {
      collected++
    },
    now: () => now,
    ...changes,
  })
}

function pass(memory: SpareMemory, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    now += 1000
    memory.look()
  }
}

it('gives back once after the start and after a busy time, when nobody has called for so long', () => {
  const memory = watched()
  pass(memory, 119)
  expect(collected).toBe(0)
  pass(memory, 600)
  expect(collected).toBe(1)
  collected = 0
  ended = 5000
  pass(memory, 120)
  expect(collected).toBe(0)
  pass(memory, 2)
  expect(collected).toBe(1)
  pass(memory, 3600)
  expect(collected).toBe(1)
  ended += 5000
  pass(memory, 122)
  expect(collected).toBe(2)
})

it('does not disturb calls, pauses between them or a process that did little', () => {
  const memory = watched()
  pass(memory, 600)
  ended = 999
  collected = 0
  pass(memory, 600)
  expect(collected).toBe(0)
  ended = 5000
  for (let i = 0; i < 50; i++) {
    pass(memory, 100)
    ended++
  }
  expect(collected).toBe(0)
  // One long call.
  pass(memory, 1)
  inFlight = 1
  pass(memory, 600)
  expect(collected).toBe(0)
  inFlight = 0
  pass(memory, 121)
  expect(collected).toBe(1)
})

it('can be turned off', () => {
  const memory = watched({ after: () => 0 })
  ended = 5000
  pass(memory, 3600)
  expect(collected).toBe(0)
})
