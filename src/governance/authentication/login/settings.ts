import { type Role, roles } from '../../authorization/roles.ts'
import { settingInvalid } from '../token-errors.ts'
import type { SessionLifetimes } from './session-store.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The keys of `general_settings` that are read here. */
export interface LoginSettingsSource {
  readonly disable_env_credential_login?: unknown
  readonly max_failed_login_attempts?: unknown
  readonly max_failed_login_attempts_per_source?: unknown
  readonly failed_login_window_seconds?: unknown
  readonly ui_access_mode?: unknown
}

export interface LoginSettings {
  /** Where people reach the gateway, without a slash at the end; undefined: only from this machine. */
  readonly baseUrl: string | undefined
  readonly lifetimes: SessionLifetimes
  /** `UI_USERNAME`; the name that logs in with `UI_PASSWORD`, or with the master key. Undefined: switched off. */
  readonly environmentLogin: { readonly username: string; readonly password: string | undefined } | undefined
  /** Failed logins in a window: per user name, and per source address. */
  readonly attempts: { readonly perUser: number; readonly perSource: number; readonly windowMs: number }
  /** `ui_access_mode: admin_only`. */
  readonly adminsOnly: boolean
  /** `PROXY_ADMIN_ID`: this user is an administrator. */
  readonly adminId: string | undefined
}

const hour = 3_600_000

/** @throws GatewayError `config_invalid` */
export function readLoginSettings(general: LoginSettingsSource, env: Environment): LoginSettings {
  const password = env['UI_PASSWORD']
  return {
    baseUrl: readBaseUrl(env['PROXY_BASE_URL']),
    lifetimes: {
      absolute: duration('LITELLM_UI_SESSION_DURATION', env['LITELLM_UI_SESSION_DURATION'] ?? '24h'),
      idle: duration('ROUTEIQ_SESSION_IDLE', env['ROUTEIQ_SESSION_IDLE'] ?? '8h'),
      cli: cliLifetime(env['LITELLM_CLI_JWT_EXPIRATION_HOURS'] ?? env['CLI_JWT_EXPIRATION_HOURS'] ?? '24'),
    },
    environmentLogin:
      general.disable_env_credential_login === true
        ? undefined
        : { username: env['UI_USERNAME'] ?? 'admin', password: password === '' ? undefined : password },
    attempts: {
      perUser: count(general.max_failed_login_attempts, 50, 'max_failed_login_attempts'),
      perSource: count(general.max_failed_login_attempts_per_source, 250, 'max_failed_login_attempts_per_source'),
      windowMs: count(general.failed_login_window_seconds, 900, 'failed_login_window_seconds') * 1000,
    },
    adminsOnly: general.ui_access_mode === 'admin_only',
    adminId: env['PROXY_ADMIN_ID'] === '' ? undefined : env['PROXY_ADMIN_ID'],
  }
}

function readBaseUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') {
    throw settingInvalid(
      `PROXY_BASE_URL must be the gateway's public address with its scheme: https://gateway.example.com`,
    )
  }
  return url.origin + url.pathname.replace(/\/+$/, '')
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: hour, d: 24 * hour, w: 168 * hour }

/** `30s`, `30m`, `24h`, `7d`. @returns milliseconds */
export function duration(setting: string, text: string): number {
  const match = /^(\d{1,6})\s*([smhdw])$/.exec(text.trim())
  const milliseconds = Number(match?.[1]) * (units[match?.[2] ?? ''] ?? Number.NaN)
  if (!(milliseconds > 0)) throw settingInvalid(`${setting} must be a duration such as 30m, 24h or 7d.`)
  return milliseconds
}

function cliLifetime(text: string): number {
  const hours = Number(text)
  if (!(hours > 0 && hours <= 8784)) throw settingInvalid('LITELLM_CLI_JWT_EXPIRATION_HOURS must be a number of hours.')
  return hours * hour
}

function count(value: unknown, byDefault: number, name: string): number {
  if (value === undefined || value === null) return byDefault
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
    throw settingInvalid(`general_settings.${name} must be a whole number, one or more.`)
  }
  return value
}

/** A role by LiteLLM's name, its longer spellings included. */
export function readRole(text: unknown): Role | undefined {
  const name =
    text === 'internal_user_view_only'
      ? 'internal_user_viewer'
      : text === 'proxy_admin_view_only'
        ? 'proxy_admin_viewer'
        : text
  return roles.find(role => role === name)
}
