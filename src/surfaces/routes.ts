import { adminRoutes } from './admin/routes.ts'
import { anthropicRoutes } from './anthropic/routes.ts'
import { healthRoutes } from './health/routes.ts'
import { openaiRoutes } from './openai/routes.ts'
import type { Route } from './route.ts'
import type { RouteServices } from './route-services.ts'

/** Calls of models, and what those who run the gateway ask for all day. No schemas here: they are there from the start. */
export function callRoutes({ gateway, fleet }: RouteServices): Route[] {
  return [
    ...openaiRoutes(gateway),
    ...anthropicRoutes(gateway),
    ...healthRoutes(gateway),
    ...adminRoutes(gateway, fleet),
  ]
}

/**
 * Everything else: management, spend, log-in, SCIM, the description of the API. Their schemas take 16 MB and 80 ms, so
 * they are loaded with the first request that needs one; a gateway that only serves calls never does.
 */
export async function controlRoutes(services: RouteServices, calls: readonly Route[]): Promise<Route[]> {
  const { everythingElse } = await import('./control-routes.ts')
  return everythingElse(services, calls)
}

/** Every route of the gateway, for tests that walk them. */
export async function routesOf(services: RouteServices): Promise<readonly Route[]> {
  const calls = callRoutes(services)
  return [...calls, ...(await controlRoutes(services, calls))]
}
