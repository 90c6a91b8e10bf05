import type { z } from 'zod'
import { laterLitellmSettings } from './litellm-settings-later.ts'
import { reliability } from './router-settings.ts'
import { defaulted, key, section } from './section.ts'
import { flag, names, seconds, textMap } from './values.ts'

/** Callback names that act today: metrics are always on at /metrics, naming them is harmless. */
export const activeCallbacks: ReadonlySet<string> = new Set(['prometheus', 'prometheus_system'])

const callbacks = (when: string) =>
  key(names, `Integrations told of ${when}. Active: prometheus (always on). The others are known, not active yet.`, {
    default: [],
  })

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
    callbacks: callbacks('every call'),
    success_callback: callbacks('every success'),
    failure_callback: callbacks('every failure'),
    service_callback: callbacks('service health'),
  },
  laterLitellmSettings,
)

export type LitellmSettings = z.output<typeof litellmSettings>
