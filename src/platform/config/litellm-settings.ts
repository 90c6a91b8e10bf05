import type { z } from 'zod'
import { s3CallbackParams } from './audit-settings.ts'
import { litellmScim } from './authentication-settings.ts'
import { litellmLimits } from './limit-settings.ts'
import { laterLitellmSettings } from './litellm-settings-later.ts'
import { reliability } from './router-settings.ts'
import { defaulted, key, section } from './section.ts'
import { anyMap, flag, names, seconds, textMap } from './values.ts'

/**
 * Callback names that act today: metrics are always on at /metrics, naming them is harmless; the limiters divide a group's
 * capacity by priority, as `priority_reservation` alone does too.
 */
export const activeCallbacks: ReadonlySet<string> = new Set([
  'prometheus',
  'prometheus_system',
  'dynamic_rate_limiter',
  'dynamic_rate_limiter_v3',
])

/** Integrations that receive audit records. */
export const activeAuditCallbacks: ReadonlySet<string> = new Set(['s3_v2'])

const callbacks = (when: string) =>
  key(
    names,
    `Integrations told of ${when}. Active: prometheus (always on), dynamic_rate_limiter_v3. The others are known, not active yet.`,
    {
      default: [],
    },
  )

export const litellmSettings = section(
  {
    ...reliability,
    request_timeout: key(seconds, 'Longest time for a call where router_settings.timeout is absent.', {
      default: 600,
      unit: 's',
    }),
    drop_params: defaulted(flag, false, 'Leave out request fields a model does not support instead of refusing.'),
    modify_params: defaulted(flag, false, 'Allow small repairs of a request that a vendor demands.'),
    model_alias_map: key(textMap, 'Alias → model group, resolved before everything else.', { default: {} }),
    json_logs: key(flag, 'One JSON object per log line. Default: JSON unless the output is a terminal.'),
    set_verbose: defaulted(flag, false, 'Log level debug; routeiq.log_level wins.'),
    include_cost_in_streaming_usage: defaulted(flag, false, 'Put `usage.cost` into the last chunk of a stream.'),
    require_auth_for_metrics_endpoint: defaulted(flag, true, 'Ask for a key on /metrics.'),
    default_key_generate_params: defaulted(anyMap, {}, 'Fields of new keys that a request leaves out.'),
    upperbound_key_generate_params: defaulted(
      anyMap,
      {},
      'Most that a key may have (`max_budget`, `tpm_limit`, `duration`, …); absent fields take the bound.',
    ),
    key_generation_settings: defaulted(
      anyMap,
      {},
      '`team_key_generation {allowed_team_member_roles, required_params}`, `personal_key_generation {allowed_user_roles}`.',
    ),
    default_internal_user_params: defaulted(anyMap, {}, 'Fields of new users that a request leaves out.'),
    default_team_params: defaulted(anyMap, {}, 'Fields of new teams that a request leaves out.'),
    ...litellmLimits,
    ...litellmScim,
    callbacks: callbacks('every call'),
    success_callback: callbacks('every success'),
    failure_callback: callbacks('every failure'),
    service_callback: callbacks('service health'),
    store_audit_logs: key(flag, 'Keep an audit log of changes. Default: LITELLM_STORE_AUDIT_LOGS, else true.', {
      default: true,
    }),
    audit_log_callbacks: key(
      names,
      'Integrations that receive audit records. Active: s3_v2; routeiq.audit.sinks has more.',
      { default: [] },
    ),
    s3_audit_callback_params: key(s3CallbackParams, 'Where `s3_v2` puts audit records. Default: s3_callback_params.'),
    s3_callback_params: key(s3CallbackParams, 'Settings of the S3 integration; audit records alone use them so far.'),
  },
  laterLitellmSettings,
)

export type LitellmSettings = z.output<typeof litellmSettings>
