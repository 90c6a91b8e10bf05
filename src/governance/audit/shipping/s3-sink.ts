import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Clock } from '../../../platform/clock.ts'
import type { AwsCredentials } from '../../../platform/secrets/tokens/aws-credentials.ts'
import type { Outbound } from '../../../platform/security/outbound.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { objectUrl, type S3Location } from './s3-address.ts'
import { S3Signer } from './s3-signer.ts'
import { type AuditSink, type Batch, type BatchLimits, requestTimeout, SinkRefused } from './sink.ts'

export interface S3SinkSettings extends S3Location {
  readonly name: string
  /** Start of every key, without slashes at its ends; may be empty. */
  readonly prefix: string
  readonly credentials: Pick<AwsCredentials, 'get' | 'refused'>
  readonly encryption: 'AES256' | 'aws:kms' | undefined
  readonly kmsKeyId: string | undefined
  readonly limits: BatchLimits
}

const compressed = promisify(gzip)

/**
 * Objects in a bucket: `prefix/yyyy/mm/dd/<first>-<last>.ndjson.gz`, numbers with leading zeros so that keys sort as the
 * chain does. The name follows from the records alone: a batch that is sent again overwrites itself.
 */
export class S3Sink implements AuditSink {
  readonly name: string
  readonly description: string
  readonly limits: BatchLimits
  readonly #settings: S3SinkSettings
  readonly #signer: S3Signer
  readonly #outbound: Outbound
  readonly #clock: Clock

  constructor(settings: S3SinkSettings, outbound: Outbound, clock: Clock) {
    this.name = settings.name
    this.description = `s3://${settings.bucket}/${settings.prefix}`
    this.limits = settings.limits
    this.#settings = settings
    this.#signer = new S3Signer(settings.region, () => settings.credentials.get())
    this.#outbound = outbound
    this.#clock = clock
  }

  async send({ first, last, records, ndjson }: Batch, signal: AbortSignal): Promise<void> {
    const day = new Date(records[0]?.at ?? 0).toISOString().slice(0, 10).replaceAll('-', '/')
    // zlib writes no time into the header, so equal records give equal bytes.
    const body = await compressed(ndjson)
    await this.#put(`${day}/${padded(first)}-${padded(last)}.ndjson.gz`, 'application/gzip', body, signal)
  }

  async sendCheckpoint(checkpoint: Checkpoint, signal: AbortSignal): Promise<void> {
    const body = Buffer.from(`${JSON.stringify(checkpoint)}\n`)
    await this.#put(`checkpoints/${padded(checkpoint.seq)}.json`, 'application/json', body, signal)
  }

  async close(): Promise<void> {}

  async #put(key: string, type: string, body: Buffer, signal: AbortSignal): Promise<void> {
    const { prefix, encryption, kmsKeyId } = this.#settings
    const url = objectUrl(this.#settings, prefix === '' ? key : `${prefix}/${key}`)
    const headers = await this.#signer.put(
      url,
      {
        'content-type': type,
        // Asked for by buckets with object lock, and understood by every S3-compatible server.
        'content-md5': createHash('md5').update(body).digest('base64'),
        ...(encryption && { 'x-amz-server-side-encryption': encryption }),
        ...(kmsKeyId !== undefined && { 'x-amz-server-side-encryption-aws-kms-key-id': kmsKeyId }),
      },
      body,
      new Date(this.#clock.epoch()),
    )
    const answer = await this.#outbound.request('audit', url.href, {
      method: 'PUT',
      headers,
      body,
      signal,
      timeout: requestTimeout,
      maxBytes: 65_536,
    })
    if (answer.status >= 200 && answer.status <= 299) return
    const code = codeOf(answer.text())
    // Temporary credentials ended before their time: the next try asks for others.
    if (code !== undefined && outdated.has(code)) this.#settings.credentials.refused('ExpiredToken')
    throw refusal(answer.status, code)
  }
}

const padded = (seq: number): string => String(seq).padStart(12, '0')

const outdated: ReadonlySet<string> = new Set(['ExpiredToken', 'InvalidToken', 'InvalidAccessKeyId'])

/** S3 says why in XML; its code is a name from a documented list, the rest may repeat the request. */
const codeOf = (body: string): string | undefined => /<Code>([\w.]{1,64})<\/Code>/.exec(body)?.[1]

function refusal(status: number, code: string | undefined): SinkRefused {
  return new SinkRefused(`S3 answered ${status}${code === undefined ? '' : ` ${code}`}${hint(status, code)}.`)
}

function hint(status: number, code: string | undefined): string {
  switch (code) {
    case 'NoSuchBucket':
      return ': create the bucket or correct its name'
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return ': check the access key and its secret'
    case 'AccessDenied':
      return ': the credentials need s3:PutObject on the prefix (and kms:GenerateDataKey with SSE-KMS)'
    case 'RequestTimeTooSkewed':
      return ': the clock of this machine is wrong'
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return ': the bucket is in another region'
  }
  return status >= 300 && status <= 399 ? ': the bucket is elsewhere; check region and endpoint' : ''
}
