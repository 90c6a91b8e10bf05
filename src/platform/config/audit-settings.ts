import { z } from 'zod'
import { defaulted, ignored, key, later, required, section } from './section.ts'
import { flag, name, names, positiveCount, seconds, secret, secretMap, text } from './values.ts'

const encryption = z.enum(['AES256', 'aws:kms'])

const ambient = 'Access key. Default: AWS_ACCESS_KEY_ID, else a web identity, the container’s or the instance’s role.'

const s3 = section({
  bucket: required(name, 'Bucket; must exist.'),
  region: defaulted(name, 'us-east-1', 'Region of the bucket.'),
  prefix: defaulted(text, 'audit', 'Start of every key.'),
  endpoint: key(name, 'URL of an S3-compatible server. Default: AWS.'),
  virtual_host_style: key(flag, '`https://bucket.host/key`. Default: true for AWS, false with `endpoint`.'),
  access_key_id: key(name, ambient),
  secret_access_key: key(secret, 'Secret of access_key_id.'),
  session_token: key(secret, 'Session token of access_key_id, where it is a temporary one.'),
  aws_role_name: key(name, 'ARN of a role to assume.'),
  aws_session_name: key(name, 'Session name of that role.', { default: 'routeiq' }),
  aws_external_id: key(name, 'External id that the role demands.'),
  aws_web_identity_token: key(
    name,
    'File with a web identity token, or the token. Default: AWS_WEB_IDENTITY_TOKEN_FILE.',
  ),
  aws_sts_endpoint: key(name, 'Address of AWS STS, for VPC endpoints.'),
  server_side_encryption: key(encryption, 'Encryption the server is asked for.'),
  kms_key_id: key(name, 'Key of `aws:kms`.'),
})

const kafka = section({
  brokers: required(names, '`host:port` of brokers to start from.'),
  topic: required(name, 'Topic; must exist.'),
  client_id: defaulted(name, 'routeiq-audit', 'Name shown to the cluster.'),
  sasl: key(
    section({
      mechanism: required(z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']), 'How to log in.'),
      username: key(name, 'User; not for OAUTHBEARER.'),
      password: key(secret, 'Password; not for OAUTHBEARER.'),
      token: key(secret, 'Token of OAUTHBEARER.'),
    }),
    'Login. Default: none.',
  ),
  tls: key(
    section({
      ca_file: key(name, 'PEM file of the authorities to trust. Default: those of Node.js.'),
      cert_file: key(name, 'PEM file of the client certificate.'),
      key_file: key(name, 'PEM file of its key.'),
      server_name: key(name, 'Name expected in the brokers’ certificates. Default: their host names.'),
    }),
    'Speak TLS; an empty map (`{}`) is enough. Default: plain text.',
  ),
})

const webhook = section({
  url: required(name, 'Where records are POSTed, as NDJSON.'),
  secret: key(secret, 'Key of the HMAC-SHA256 in `x-routeiq-signature`. Default: unsigned.'),
  headers: key(secretMap, 'Further headers, `authorization` for one.'),
})

export const auditSink = section({
  name: required(name, 'Names the place in the log up to which this sink has it: under a new name it gets all of it.'),
  s3: key(s3, 'An S3-compatible bucket.'),
  kafka: key(kafka, 'A Kafka topic.'),
  webhook: key(webhook, 'An HTTP endpoint.'),
  batch_records: key(positiveCount, 'Most records of a batch. Default: 1000; 500 for Kafka and webhooks.'),
  batch_bytes: key(positiveCount, 'Most bytes of a batch. Default: 4 MiB; 900 kB for Kafka and webhooks.', {
    unit: 'bytes',
  }),
  flush_interval: key(seconds, 'Longest wait for a batch to fill. Default: 60; 1 for Kafka and webhooks.', {
    unit: 's',
  }),
})

export const auditSettings = section({
  sinks: defaulted(
    z.array(auditSink),
    [],
    'Places that get a copy of every record; each has one of s3, kafka, webhook.',
  ),
  checkpoint_key: key(
    secret,
    'Ed25519 private key (PEM, or its 32-byte seed in base64) that signs checkpoints. Default: none are made.',
  ),
  checkpoint_interval: defaulted(seconds, 300, 'Time between checkpoints.', { unit: 's' }),
  retention_days: key(
    z.number().gt(0),
    'Days after which records that every sink has are removed from the store. Default: they are kept.',
    { unit: 'days' },
  ),
  denials_per_minute: defaulted(
    positiveCount,
    20,
    'Denied actions of one actor that get a record each; more are counted.',
  ),
  denials_per_minute_total: defaulted(positiveCount, 120, 'The same for all actors together.'),
})

/** LiteLLM's settings of its S3 integration, as far as they say where audit records go. */
export const s3CallbackParams = section(
  {
    s3_bucket_name: key(name, 'Bucket; must exist.'),
    s3_region_name: key(name, 'Region of the bucket.', { default: 'us-east-1' }),
    s3_path: key(text, 'Start of every key; `audit_logs` is added.'),
    s3_endpoint_url: key(name, 'URL of an S3-compatible server. Default: AWS.'),
    s3_use_virtual_hosted_style: key(flag, '`https://bucket.host/key`. Default: true for AWS, false with an endpoint.'),
    s3_aws_access_key_id: key(name, ambient),
    s3_aws_secret_access_key: key(secret, 'Its secret.'),
    s3_aws_session_token: key(secret, 'Its session token, where it is a temporary one.'),
    s3_aws_role_name: key(name, 'ARN of a role to assume.'),
    s3_aws_session_name: key(name, 'Session name of that role.', { default: 'routeiq' }),
    s3_aws_web_identity_token: key(name, 'File with a web identity token, or the token.'),
    s3_aws_sts_endpoint: key(name, 'Address of AWS STS, for VPC endpoints.'),
    s3_server_side_encryption: key(encryption, 'Encryption the server is asked for.'),
    s3_sse_kms_key_id: key(name, 'Key of `aws:kms`.'),
    s3_batch_size: key(positiveCount, 'Most records of an object.', { default: 1000 }),
    s3_flush_interval: key(seconds, 'Longest wait for an object to fill.', { default: 60, unit: 's' }),
  },
  {
    ...later({
      s3_use_team_prefix: ['Team names in the keys of call logs.', false],
      s3_use_key_prefix: ['Key names in the keys of call logs.', false],
      s3_strip_base64_files: ['Call logs without files.', false],
      s3_path_time_granularity: 'Folders by hour in the keys of call logs.',
    }),
    ...ignored({
      s3_aws_profile_name: 'profiles are not read; give keys or a role',
      s3_api_version: 'there is one',
      s3_use_ssl: 'the scheme of s3_endpoint_url decides',
      s3_verify: 'certificates are always checked',
      s3_config: 'it configures a Python client',
      s3_max_concurrent_uploads: 'objects are written one after another, in the order of the log',
      s3_adaptive_concurrency: 'objects are written one after another, in the order of the log',
    }),
  },
)

export type AuditSettings = z.output<typeof auditSettings>
export type AuditSinkSettings = z.output<typeof auditSink>
export type S3CallbackParams = z.output<typeof s3CallbackParams>
