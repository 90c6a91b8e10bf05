import type { Management } from '../../governance/management/management.ts'
import type { Gateway } from '../../pipeline/gateway.ts'
import type { Route } from '../route.ts'
import { accessRoutes } from './access/routes.ts'
import { auditRoutes } from './audit/routes.ts'
import { keyRoutes } from './keys/routes.ts'
import { modelRoutes } from './models/routes.ts'
import { organizationRoutes } from './organizations/routes.ts'
import { policyRoutes } from './policies/routes.ts'
import { defaultRoutes } from './settings/default-routes.ts'
import { fallbackRoutes } from './settings/fallback-routes.ts'
import { settingsRoutes } from './settings/routes.ts'
import { providerBudgetRoutes } from './spenders/provider-budget-routes.ts'
import { spenderRoutes } from './spenders/routes.ts'
import { teamRoutes } from './teams/routes.ts'
import { userRoutes } from './users/routes.ts'

/** The management API, object by object. @param all every route of the gateway */
export function managementRoutes(gateway: Gateway, management: Management, all: () => readonly Route[]): Route[] {
  return [
    ...keyRoutes(management),
    ...teamRoutes(management),
    ...userRoutes(management),
    ...organizationRoutes(management),
    ...spenderRoutes(management),
    ...modelRoutes(gateway, management),
    ...fallbackRoutes(gateway, management),
    ...settingsRoutes(gateway, management),
    ...defaultRoutes(gateway, management),
    ...providerBudgetRoutes(gateway, management),
    ...policyRoutes(gateway, management, all),
    ...accessRoutes(gateway, management),
    ...auditRoutes(management),
  ]
}
