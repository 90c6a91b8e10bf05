import type { Route } from '../../route.ts'
import { activityRoutes } from './activity-routes.ts'
import { costRoutes } from './cost-routes.ts'
import { globalRoutes } from './global-routes.ts'
import { logRoutes } from './log-routes.ts'
import { reconciliationRoutes } from './reconciliation-routes.ts'
import { reportRoutes } from './report-routes.ts'
import type { SpendServices } from './services.ts'

/** What was spent, by whom, on what: LiteLLM's reports, and our own reconciliation. */
export function spendRoutes(services: SpendServices): Route[] {
  return [
    ...logRoutes(services),
    ...reportRoutes(services),
    ...globalRoutes(services),
    ...activityRoutes(services),
    ...costRoutes(services),
    ...reconciliationRoutes(services),
  ]
}
