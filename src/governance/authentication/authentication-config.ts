import type { Clock } from '../../platform/clock.ts'
import type { Outbound } from '../../platform/security/outbound.ts'
import type { AuditEvent } from '../audit/audit-log.ts'
import type { TrustedProxies } from '../authorization/trusted-proxies.ts'
import type { CallerPlane } from './control-plane.ts'

type Section = Readonly<Record<string, unknown>>

/** What of a configuration concerns authentication. */
export interface AuthenticationConfig {
  /** `general_settings`, `litellm_settings` */
  readonly general: Section
  readonly litellm: Section
  readonly env: Readonly<Record<string, string | undefined>>
  /** Of the configuration file: modules are found relative to it. */
  readonly directory: string
}

export interface AuthenticationServices {
  readonly plane: CallerPlane
  readonly outbound: Outbound
  readonly clock: Clock
  readonly trustedProxies: () => TrustedProxies
  /** Compares with the master key, in constant time. */
  readonly isMasterKey: (text: string) => boolean
  /** A failed login, for the audit log. */
  readonly onDenied: (event: AuditEvent) => void
}
