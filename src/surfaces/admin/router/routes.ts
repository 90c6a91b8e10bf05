import type { Management } from '../../../governance/management/management.ts'
import type { Gateway } from '../../../pipeline/gateway.ts'
import type { Route } from '../../route.ts'
import { artifactRoutes } from './artifact-routes.ts'
import { compatibleRoutes } from './compatible-routes.ts'
import { experimentRoutes } from './experiment-routes.ts'
import { insightRoutes } from './insight-routes.ts'
import { runRoutes } from './run-routes.ts'
import type { RouterServices } from './services.ts'
import { stateRoutes } from './state-routes.ts'

/** Everything about the loop of learned routing that people and programs manage. */
export const routerRoutes = (gateway: Gateway, management: Management, services: RouterServices): Route[] => [
  ...artifactRoutes(management, services),
  ...stateRoutes(management, services),
  ...experimentRoutes(management, services),
  ...runRoutes(management, services),
  ...insightRoutes(management, services),
  ...compatibleRoutes(gateway, management, services),
]
