import type { FleetStateOptions } from './fleet/fleet-state.ts'
import type { MessagePort } from './fleet/messages.ts'
import { MemoryState, type MemoryStateOptions } from './memory/memory-state.ts'
import type { RedisOptions } from './redis/options.ts'
import type { SharedState, SharedStateEvents } from './shared-state.ts'

export type SharedStateOptions =
  /** One process, or the primary of a fleet. */
  | { readonly kind: 'memory'; readonly memory?: MemoryStateOptions }
  /** A worker of a fleet without Redis. */
  | { readonly kind: 'fleet'; readonly port: MessagePort; readonly fleet?: FleetStateOptions }
  | { readonly kind: 'redis'; readonly redis: RedisOptions }

/**
 * Opens the shared state. One that cannot be reached is opened all the same: `available` tells, and it comes by itself.
 * The code of an adapter is loaded when it is chosen.
 */
export async function openSharedState(
  options: SharedStateOptions,
  events: SharedStateEvents = {},
): Promise<SharedState> {
  switch (options.kind) {
    case 'memory':
      return new MemoryState({ ...options.memory, ...events })
    case 'fleet': {
      const { FleetState } = await import('./fleet/fleet-state.ts')
      return new FleetState(options.port, options.fleet, events)
    }
    case 'redis': {
      const { RedisState } = await import('./redis/redis-state.ts')
      return RedisState.open(options.redis, events)
    }
  }
}
