import type { Authentication } from '../../governance/authentication/authentication.ts'
import type { Route } from '../route.ts'
import { cliRoutes } from './cli-routes.ts'
import { invitationRoutes } from './invitation-routes.ts'
import { keyMappingRoutes } from './key-mapping-routes.ts'
import { passwordRoutes } from './password-routes.ts'
import { setupRoutes } from './setup-routes.ts'
import { ssoRoutes } from './sso-routes.ts'

/** Everything about people who log in. */
export function loginRoutes(authentication: Authentication): Route[] {
  return [
    ...passwordRoutes(authentication),
    ...ssoRoutes(authentication),
    ...cliRoutes(authentication),
    ...invitationRoutes(authentication),
    ...setupRoutes(authentication),
    ...keyMappingRoutes(authentication),
  ]
}
