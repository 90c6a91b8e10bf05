import { createHash, createHmac } from 'node:crypto'
import type { OutboundResponse } from '../../security/outbound.ts'
import { SecretUnavailable } from '../backend.ts'
import { callFor, type Environment, type SecretServices, setting } from '../call.ts'

export interface AwsIdentity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface AwsRequest {
  readonly service: string
  readonly region: string
  /** In place of AWS's own address (VPC endpoints, tests). */
  readonly endpoint: string | undefined
  /** `x-amz-target` of the JSON protocol. */
  readonly target: string
  readonly body: object
}

/** One call of AWS's JSON 1.1 protocol, signed. */
export async function awsPost(
  what: string,
  request: AwsRequest,
  credentials: { get(): Promise<AwsIdentity> },
  services: SecretServices,
): Promise<OutboundResponse> {
  const { service, region, endpoint, target } = request
  const url = new URL(endpoint ?? `https://${service}.${region}.${suffixOf(region)}/`)
  const body = JSON.stringify(request.body)
  const headers = await signed({
    method: 'POST',
    url,
    service,
    region,
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
    body,
    identity: await credentials.get(),
    epoch: services.epoch,
  })
  return callFor(what, services, url.href, { method: 'POST', headers, body })
}

export interface Unsigned {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: URL
  readonly service: string
  readonly region: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly identity: AwsIdentity
  readonly epoch: () => number
}

/** The headers of a request with AWS's signature, version 4. The library is loaded with the first one. */
export async function signed(request: Unsigned): Promise<Record<string, string>> {
  const { url, identity } = request
  const { SignatureV4 } = await import('@smithy/signature-v4')
  const signer = new SignatureV4({
    service: request.service,
    region: request.region,
    credentials: identity,
    sha256: Sha256,
    applyChecksum: true,
  })
  const { headers } = await signer.sign(
    {
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port === '' ? {} : { port: Number(url.port) }),
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { ...request.headers, host: url.host },
      body: request.body,
    },
    { signingDate: new Date(request.epoch()) },
  )
  return headers
}

/** The hash the signer asks for, on Node's own. */
class Sha256 {
  readonly #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>

  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytes(secret))
  }

  update(data: unknown): void {
    this.#hash.update(bytes(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {}
}

function bytes(data: unknown): string | Uint8Array {
  if (typeof data === 'string' || data instanceof Uint8Array) return data
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return new Uint8Array(data as ArrayBuffer)
}

export function regionOf(
  settings: { readonly aws_region_name?: string | undefined },
  env: Environment,
  what: string,
): string {
  const region = settings.aws_region_name ?? setting(env, 'AWS_REGION_NAME', 'AWS_REGION', 'AWS_DEFAULT_REGION')
  // The region becomes part of a host name.
  if (region !== undefined && /^[a-z0-9-]{3,40}$/.test(region)) return region
  throw new SecretUnavailable(
    `${what}: set key_management_settings.aws_region_name or AWS_REGION_NAME, like us-east-1.`,
  )
}

/** China and the isolated partitions have domains of their own. */
export function suffixOf(region: string): string {
  if (region.startsWith('cn-')) return 'amazonaws.com.cn'
  if (region.startsWith('us-iso-')) return 'c2s.ic.gov'
  if (region.startsWith('us-isob-')) return 'sc2s.sgov.gov'
  return 'amazonaws.com'
}
