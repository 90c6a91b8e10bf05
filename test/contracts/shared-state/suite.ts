import { afterAll, beforeAll } from 'vitest'
import type { SharedState } from '../../../src/platform/shared-state/shared-state.ts'
import { counterContract } from './suite-counters.ts'
import { leaseContract } from './suite-leases.ts'
import { valueContract } from './suite-values.ts'
import type { World } from './world.ts'

/** What every adapter of the shared state must do. */
export function sharedStateContract(make: () => Promise<World>): void {
  let world: World
  let state: SharedState
  beforeAll(async () => {
    world = await make()
    state = await world.open()
  })
  afterAll(() => world.close())
  const at = {
    get world() {
      return world
    },
    get state() {
      return state
    },
  }
  leaseContract(at)
  counterContract(at)
  valueContract(at)
}
