import type { KeyObject } from 'node:crypto'
import type { LoadedConfig } from '../../platform/config/load.ts'
import type { AuditOptions } from './audit-service.ts'
import { readSigningKey } from './checkpoint.ts'
import { configuredSinks, invalid, type SinkServices } from './configured-sinks.ts'
import { defaultDenialLimits } from './denials.ts'

const day = 86_400_000

/** What the config says of the audit log. @throws GatewayError `config_invalid` */
export function configuredAudit(loaded: LoadedConfig, services: SinkServices): AuditOptions {
  const { audit } = loaded.config.routeiq
  return {
    enabled: isEnabled(loaded),
    denials: {
      ...defaultDenialLimits,
      perActor: audit.denials_per_minute,
      total: Math.max(audit.denials_per_minute, audit.denials_per_minute_total),
    },
    sinks: configuredSinks(loaded, services),
    signingKey: signingKey(loaded),
    checkpointInterval: Math.max(1, audit.checkpoint_interval) * 1000,
    retention: audit.retention_days === undefined ? undefined : audit.retention_days * day,
  }
}

function isEnabled({ config, env }: LoadedConfig): boolean {
  const { store_audit_logs } = config.litellm_settings
  if (store_audit_logs !== undefined) return store_audit_logs
  return !/^(false|0|no|off)$/i.test(env['LITELLM_STORE_AUDIT_LOGS'] ?? '')
}

function signingKey({ config }: LoadedConfig): KeyObject | undefined {
  const text = config.routeiq.audit.checkpoint_key
  if (text === undefined) return undefined
  const key = readSigningKey(text.reveal())
  if (key !== undefined) return key
  throw invalid('checkpoint_key is no Ed25519 private key (PEM, or its 32-byte seed in base64)')
}
