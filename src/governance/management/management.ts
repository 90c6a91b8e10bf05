import type { Clock } from '../../platform/clock.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import type { Cipher } from '../encryption/cipher.ts'
import type { Governance } from '../governance.ts'
import { after, parseDuration } from '../limits/durations.ts'
import type { Calendar } from '../limits/windows.ts'
import type { Settings } from '../objects/settings.ts'
import type { VirtualKeyStore } from './keys/key-secrets.ts'
import type { CheckEntry } from './model-entry.ts'
import type { StoredConfig } from './settings/stored-config.ts'

/** Settings of the management API that the configuration may change at any time. */
export interface ManagementSettings {
  /** `litellm_settings.default_key_generate_params` */
  readonly defaultKeyParams: Settings
  /** `litellm_settings.upperbound_key_generate_params` */
  readonly upperKeyParams: Settings
  /** `litellm_settings.key_generation_settings` */
  readonly keyGeneration: Settings
  /** `general_settings.default_team_disabled`: a key without a team is refused. */
  readonly keysNeedTeam: boolean
  /** `litellm_settings.default_internal_user_params` */
  readonly defaultUserParams: Settings
  /** `litellm_settings.default_team_params` */
  readonly defaultTeamParams: Settings
  /** Where budget windows begin. */
  readonly calendar: Calendar
}

/** What the management services share. */
export interface Management {
  readonly governance: Governance
  readonly clock: Clock
  /** Encrypts what is stored of vendors. */
  readonly cipher: Cipher
  /** Says why a `model_list` entry cannot be served. */
  readonly checkModel: CheckEntry
  /** Says why a configuration with these settings over the file could not come into force. */
  readonly checkConfig: (stored: StoredConfig) => string | undefined
  /** Takes what was changed in the database into force in this process; the others hear of it. */
  readonly refresh: () => Promise<void>
  /** Undefined: virtual keys are kept nowhere in clear. */
  readonly keyStore?: VirtualKeyStore | undefined
  readonly log: Logger
  /** Those in force now. */
  readonly settings: () => ManagementSettings
}

/** End of a budget window that begins now; null without a duration. @throws GatewayError for what is no duration. */
export function budgetResetAt(management: Management, duration: unknown): number | null {
  if (duration === undefined || duration === null) return null
  const parsed = requireDuration('budget_duration', duration)
  return management.settings().calendar.window(parsed, management.clock.epoch()).end
}

/** Epoch ms of `duration` from now; null: never. @throws GatewayError */
export function expiresAt(management: Management, duration: unknown, param = 'duration'): number | null {
  if (duration === undefined || duration === null || duration === '-1') return null
  return after(management.clock.epoch(), requireDuration(param, duration))
}

export function requireDuration(param: string, value: unknown) {
  const parsed = parseDuration(value)
  if (parsed !== undefined) return parsed
  throw new GatewayError(
    'invalid_request',
    `'${param}' must be a duration such as "30s", "15m", "24h", "30d" or "1mo", not ${JSON.stringify(value).slice(0, 60)}.`,
    { param },
  )
}
