import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { Strategy } from '../types.ts'
import { costBasedRouting } from './cost-based-routing.ts'
import { type LatencyArgs, latencyBasedRouting } from './latency-based-routing.ts'
import { leastBusy } from './least-busy.ts'
import { simpleShuffle } from './simple-shuffle.ts'
import { usageBasedRouting } from './usage-based-routing.ts'

export type StrategyArgs = LatencyArgs

/** `router_settings.routing_strategy` → what makes the strategy. A new strategy is one file and one row. */
const strategies: ReadonlyMap<string, (args: StrategyArgs) => Strategy> = new Map([
  ['simple-shuffle', () => simpleShuffle],
  ['least-busy', () => leastBusy],
  ['latency-based-routing', latencyBasedRouting],
  ['cost-based-routing', () => costBasedRouting],
  ['usage-based-routing', () => usageBasedRouting('usage-based-routing')],
  ['usage-based-routing-v2', () => usageBasedRouting('usage-based-routing-v2')],
])

export const strategyIds: readonly string[] = [...strategies.keys()]

/** @throws GatewayError `config_invalid` for an unknown name. */
export function createStrategy(id: string, args: StrategyArgs): Strategy {
  const make = strategies.get(id)
  if (make === undefined) {
    throw new GatewayError(
      'config_invalid',
      `router_settings.routing_strategy '${id}' is not known. Use one of: ${strategyIds.join(', ')}.`,
      { param: 'router_settings.routing_strategy' },
    )
  }
  return make(args)
}
