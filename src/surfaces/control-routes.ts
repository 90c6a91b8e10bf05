import { managementRoutes } from './admin/management-routes.ts'
import { routerRoutes } from './admin/router/routes.ts'
import { routingRoutes } from './admin/routing-routes.ts'
import { securityRoutes } from './admin/security-routes.ts'
import { spendRoutes } from './admin/spend/routes.ts'
import { spendServices } from './admin/spend/services.ts'
import { feedbackRoutes } from './feedback/routes.ts'
import { loginRoutes } from './login/routes.ts'
import { openapiRoutes } from './openapi/routes.ts'
import type { Route } from './route.ts'
import type { RouteServices } from './route-services.ts'
import { scimRoutes } from './scim/routes.ts'

/** See `controlRoutes`, by which this file is loaded and nothing else. */
export function everythingElse(services: RouteServices, calls: readonly Route[]): Route[] {
  const { gateway, fleet, management, authentication, loop } = services
  const all = (): readonly Route[] => [...calls, ...routes]
  const routes: Route[] = [
    ...securityRoutes(fleet),
    ...routingRoutes(fleet),
    ...(management === undefined ? [] : managementRoutes(gateway, management, all)),
    ...(management === undefined ? [] : spendRoutes(spendServices(gateway, management))),
    ...(management === undefined || loop === undefined ? [] : routerRoutes(gateway, management, loop)),
    ...(loop === undefined ? [] : feedbackRoutes(loop.feedback)),
    ...(authentication === undefined ? [] : [...loginRoutes(authentication), ...scimRoutes(authentication)]),
    ...openapiRoutes(() => all()),
  ]
  return routes
}
