import type { Authentication } from '../governance/authentication/authentication.ts'
import type { Management } from '../governance/management/management.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import type { RouterServices } from './admin/router/services.ts'
import type { Fleet } from './fleet.ts'

/** What routes stand on; those of a part that is not there are left out. */
export interface RouteServices {
  readonly gateway: Gateway
  readonly fleet: Fleet
  readonly management?: Management | undefined
  readonly authentication?: Authentication | undefined
  readonly loop?: RouterServices | undefined
}
