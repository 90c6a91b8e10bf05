import { readFileSync } from 'node:fs'
import type { Clock } from '../../platform/clock.ts'
import type { AuditSinkSettings, S3CallbackParams } from '../../platform/config/audit-settings.ts'
import type { LoadedConfig } from '../../platform/config/load.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { AwsCredentials } from '../../platform/secrets/tokens/aws-credentials.ts'
import type { Outbound } from '../../platform/security/outbound.ts'
import type { Logger } from '../../platform/telemetry/logger.ts'
import { type KafkaSasl, KafkaSink, type KafkaSinkSettings } from './shipping/kafka-sink.ts'
import { S3Sink } from './shipping/s3-sink.ts'
import type { AuditSink, BatchLimits } from './shipping/sink.ts'
import { WebhookSink } from './shipping/webhook-sink.ts'

export interface SinkServices {
  readonly outbound: Outbound
  readonly log: Logger
  readonly clock: Clock
}

type Environment = LoadedConfig['env']
type S3Settings = NonNullable<AuditSinkSettings['s3']>
type KafkaSettings = NonNullable<AuditSinkSettings['kafka']>

/** Objects are few and large; messages are many and soon. */
const objectLimits: BatchLimits = { records: 1000, bytes: 4 * 2 ** 20, wait: 60_000 }
/** Below the 1 MB that brokers accept in a batch by default. */
const messageLimits: BatchLimits = { records: 500, bytes: 900_000, wait: 1000 }

/** The sinks of `routeiq.audit.sinks`, and LiteLLM's `s3_v2`. @throws GatewayError `config_invalid` */
export function configuredSinks({ config, env }: LoadedConfig, services: SinkServices): readonly AuditSink[] {
  const sinks = config.routeiq.audit.sinks.map(sink => configuredSink(sink, env, services))
  const { audit_log_callbacks, s3_audit_callback_params, s3_callback_params } = config.litellm_settings
  const params = s3_audit_callback_params ?? s3_callback_params
  if (audit_log_callbacks?.includes('s3_v2') !== true || params === undefined) return sinks
  return [...sinks, configuredSink(litellmSink(params), env, services)]
}

function configuredSink(sink: AuditSinkSettings, env: Environment, services: SinkServices): AuditSink {
  const { name, s3, kafka, webhook } = sink
  if (s3 !== undefined) return s3Sink(sink, s3, env, services)
  if (kafka !== undefined) return new KafkaSink(kafkaSettings(sink, kafka), services.log)
  if (webhook === undefined) throw invalid(`the audit sink ${name} needs one of s3, kafka, webhook`)
  const { url, secret, headers = {} } = webhook
  const settings = { name, url, secret, headers, limits: limitsOf(sink, messageLimits) }
  return new WebhookSink(settings, services.outbound, services.clock)
}

function limitsOf(sink: AuditSinkSettings, usual: BatchLimits): BatchLimits {
  return {
    records: sink.batch_records ?? usual.records,
    bytes: sink.batch_bytes ?? usual.bytes,
    wait: sink.flush_interval === undefined ? usual.wait : sink.flush_interval * 1000,
  }
}

function s3Sink(sink: AuditSinkSettings, s3: S3Settings, env: Environment, services: SinkServices): S3Sink {
  return new S3Sink(
    {
      name: sink.name,
      bucket: s3.bucket,
      region: s3.region,
      prefix: s3.prefix.replace(/^\/+|\/+$/g, ''),
      endpoint: s3.endpoint,
      // A dot in a bucket's name does not fit the wildcard certificate of virtual hosts.
      virtualHost: s3.virtual_host_style ?? (s3.endpoint === undefined && !s3.bucket.includes('.')),
      credentials: s3Credentials(sink.name, s3, env, services),
      encryption: s3.server_side_encryption,
      kmsKeyId: s3.kms_key_id,
      limits: limitsOf(sink, objectLimits),
    },
    services.outbound,
    services.clock,
  )
}

/** The keys in the config, else whatever AWS's own chain finds: environment, web identity, container, instance. */
function s3Credentials(name: string, s3: S3Settings, env: Environment, services: SinkServices): AwsCredentials {
  const { access_key_id: id, secret_access_key: secret, session_token: token } = s3
  if ((id === undefined) !== (secret === undefined)) {
    throw invalid(`the audit sink ${name} has one of access_key_id and secret_access_key; it takes both or none`)
  }
  const own = id !== undefined && {
    AWS_ACCESS_KEY_ID: id,
    AWS_SECRET_ACCESS_KEY: secret?.reveal(),
    AWS_SESSION_TOKEN: token?.reveal(),
  }
  const { outbound, clock } = services
  return new AwsCredentials(s3, { outbound, env: { ...env, ...own }, epoch: () => clock.epoch() }, s3.region)
}

function kafkaSettings(sink: AuditSinkSettings, kafka: KafkaSettings): KafkaSinkSettings {
  const { tls } = kafka
  return {
    name: sink.name,
    brokers: kafka.brokers,
    topic: kafka.topic,
    clientId: kafka.client_id,
    sasl: kafka.sasl === undefined ? undefined : kafkaSasl(sink.name, kafka.sasl),
    tls: tls && {
      ...(tls.ca_file !== undefined && { ca: pem(sink.name, 'ca_file', tls.ca_file) }),
      ...(tls.cert_file !== undefined && { cert: pem(sink.name, 'cert_file', tls.cert_file) }),
      ...(tls.key_file !== undefined && { key: pem(sink.name, 'key_file', tls.key_file) }),
      ...(tls.server_name !== undefined && { servername: tls.server_name }),
    },
    limits: limitsOf(sink, messageLimits),
  }
}

function kafkaSasl(name: string, sasl: NonNullable<KafkaSettings['sasl']>): KafkaSasl {
  const { mechanism, username, password, token } = sasl
  if (mechanism === 'OAUTHBEARER') {
    if (token === undefined) throw invalid(`the audit sink ${name}: OAUTHBEARER needs token`)
    return { mechanism, token }
  }
  if (username === undefined || password === undefined) {
    throw invalid(`the audit sink ${name}: ${mechanism} needs username and password`)
  }
  return { mechanism, username, password }
}

/** Certificates are read when the config is: a missing file is a fault of the config, not of the first batch. */
function pem(sink: string, field: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    throw invalid(`the audit sink ${sink}: ${field} cannot be read: ${path}`)
  }
}

function litellmSink(params: S3CallbackParams): AuditSinkSettings {
  const kms = params.s3_sse_kms_key_id
  const s3: S3Settings = {
    bucket: params.s3_bucket_name ?? '',
    region: params.s3_region_name ?? 'us-east-1',
    prefix: [params.s3_path, 'audit_logs'].filter(part => part !== undefined && part !== '').join('/'),
    endpoint: params.s3_endpoint_url,
    virtual_host_style: params.s3_use_virtual_hosted_style,
    access_key_id: params.s3_aws_access_key_id,
    secret_access_key: params.s3_aws_secret_access_key,
    session_token: params.s3_aws_session_token,
    server_side_encryption: params.s3_server_side_encryption ?? (kms === undefined ? undefined : 'aws:kms'),
    kms_key_id: kms,
    aws_role_name: params.s3_aws_role_name,
    aws_session_name: params.s3_aws_session_name,
    aws_external_id: undefined,
    aws_web_identity_token: params.s3_aws_web_identity_token,
    aws_sts_endpoint: params.s3_aws_sts_endpoint,
  }
  return { name: 's3_v2', s3, batch_records: params.s3_batch_size, flush_interval: params.s3_flush_interval }
}

export function invalid(message: string): GatewayError {
  return new GatewayError('config_invalid', `routeiq.audit: ${message}.`)
}
