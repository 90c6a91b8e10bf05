import type { AuditSinkSettings } from './audit-settings.ts'
import type { Path, Problem } from './problem.ts'
import type { GatewayConfig } from './schema.ts'

type Report = (path: Path, message: string, severity: Problem['severity']) => void

/** What the schema cannot say of `routeiq.audit` and LiteLLM's audit keys. */
export function checkAudit(config: GatewayConfig, report: Report): void {
  const { sinks } = config.routeiq.audit
  const names = new Set<string>()
  for (const [index, sink] of sinks.entries()) {
    const at: Path = ['routeiq', 'audit', 'sinks', index]
    checkSink(sink, at, report)
    if (names.has(sink.name)) report([...at, 'name'], 'another sink has this name; names must differ', 'error')
    names.add(sink.name)
  }
  const litellm = config.litellm_settings
  if (litellm.audit_log_callbacks?.includes('s3_v2') === true) {
    const params = litellm.s3_audit_callback_params === undefined ? 's3_callback_params' : 's3_audit_callback_params'
    if (litellm[params]?.s3_bucket_name === undefined) {
      report(['litellm_settings', 'audit_log_callbacks'], `s3_v2 needs ${params}.s3_bucket_name`, 'error')
    }
    if (names.has('s3_v2')) {
      report(['litellm_settings', 'audit_log_callbacks'], 'a sink of routeiq.audit has the name s3_v2 too', 'error')
    }
  }
  if (litellm.store_audit_logs === false) {
    report(['litellm_settings', 'store_audit_logs'], 'changes and denied actions are NOT recorded', 'warning')
  }
}

function checkSink(sink: AuditSinkSettings, at: Path, report: Report): void {
  const kinds = (['s3', 'kafka', 'webhook'] as const).filter(kind => sink[kind] !== undefined)
  if (kinds.length === 0) report(at, 'needs one of s3, kafka, webhook', 'error')
  if (kinds.length > 1) report(at, `has ${kinds.join(' and ')}; a sink is one of them`, 'error')
  const { s3, kafka, webhook } = sink
  if (s3?.endpoint !== undefined && !isHttpUrl(s3.endpoint)) report([...at, 's3', 'endpoint'], notUrl, 'error')
  if (webhook !== undefined && !isHttpUrl(webhook.url)) report([...at, 'webhook', 'url'], notUrl, 'error')
  if (s3?.kms_key_id !== undefined && s3.server_side_encryption !== 'aws:kms') {
    report([...at, 's3', 'kms_key_id'], 'needs server_side_encryption: aws:kms', 'error')
  }
  const sasl = kafka?.sasl
  if (sasl === undefined) return
  const needed = sasl.mechanism === 'OAUTHBEARER' ? (['token'] as const) : (['username', 'password'] as const)
  for (const field of needed) {
    if (sasl[field] === undefined) report([...at, 'kafka', 'sasl'], `${sasl.mechanism} needs ${field}`, 'error')
  }
  if (kafka?.tls === undefined && sasl.mechanism !== 'SCRAM-SHA-256' && sasl.mechanism !== 'SCRAM-SHA-512') {
    report([...at, 'kafka', 'sasl'], 'without tls the login is sent in plain text', 'warning')
  }
}

const notUrl = 'expected a URL that starts with http:// or https://'

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
}
