import { dirname, resolve } from 'node:path'
import { Authentication } from '../governance/authentication/authentication.ts'
import type { AuthenticationConfig } from '../governance/authentication/authentication-config.ts'
import type { Snapshot } from '../pipeline/snapshot.ts'
import type { Clock } from '../platform/clock.ts'
import type { LoadedConfig } from '../platform/config/load.ts'
import type { Outbound } from '../platform/security/outbound.ts'
import type { RunningGovernance } from './governance.ts'

/** What of a configuration concerns authentication. */
export const authenticationConfig = (
  { config, env }: LoadedConfig,
  configPath: string | undefined,
): AuthenticationConfig => ({
  general: config.general_settings,
  litellm: config.litellm_settings,
  env,
  directory: configPath === undefined ? process.cwd() : dirname(resolve(configPath)),
})

/** Shown to whoever starts the gateway for the first time; not through the logger, which keeps secrets out of logs. */
export async function announceFirstRun(authentication: Authentication): Promise<void> {
  // A store that is away is not the first start; the master key makes the first administrator at any time.
  const token = await authentication.login.firstRun.issueToken().catch(() => undefined)
  if (token === undefined) return
  process.stdout.write(
    `No administrator can log in yet. Within a day, this token makes the first one (POST /v1/routeiq/setup): ${token}\n`,
  )
}

/** @throws GatewayError `config_invalid` */
export function startAuthentication(
  loaded: LoadedConfig,
  configPath: string | undefined,
  services: {
    readonly governed: RunningGovernance
    readonly outbound: Outbound
    readonly clock: Clock
    /** The one in force. */
    readonly snapshot: () => Snapshot
  },
): Promise<Authentication> {
  const { governed, outbound, clock, snapshot } = services
  return Authentication.start(authenticationConfig(loaded, configPath), {
    plane: governed.governance,
    outbound,
    clock,
    trustedProxies: () => snapshot().trustedProxies,
    isMasterKey: text => snapshot().keys.master.matches(text),
    onDenied: event => void governed.audit.log.record(event).catch(() => undefined),
  })
}
