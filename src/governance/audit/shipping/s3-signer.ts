import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import type { SignatureV4 } from '@smithy/signature-v4'
import type { AwsCredentials } from '../../../platform/secrets/tokens/aws-credentials.ts'

type AwsIdentity = Awaited<ReturnType<AwsCredentials['get']>>

/** Node's SHA-256 in the shape the signer asks for. */
class Sha256 {
  readonly #secret: string | ArrayBuffer | ArrayBufferView | undefined
  #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret
    this.#hash = this.#start()
  }

  update(data: Uint8Array): void {
    this.#hash.update(data)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    this.#hash = this.#start()
  }

  #start(): Hash | Hmac {
    if (this.#secret === undefined) return createHash('sha256')
    const secret = this.#secret instanceof ArrayBuffer ? new Uint8Array(this.#secret) : this.#secret
    return createHmac('sha256', secret as string | NodeJS.ArrayBufferView)
  }
}

/** Signs PUTs to S3 with AWS Signature Version 4. The library is loaded with the first one. */
export class S3Signer {
  readonly #region: string
  readonly #credentials: () => Promise<AwsIdentity>
  #signer: Promise<SignatureV4> | undefined

  constructor(region: string, credentials: () => Promise<AwsIdentity>) {
    this.#region = region
    this.#credentials = credentials
  }

  /** @returns the headers to send, the signature among them */
  async put(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    at: Date,
  ): Promise<Record<string, string>> {
    this.#signer ??= this.#load()
    const signer = await this.#signer
    const signed = await signer.sign(
      {
        method: 'PUT',
        protocol: url.protocol,
        hostname: url.hostname,
        ...(url.port !== '' && { port: Number(url.port) }),
        path: url.pathname,
        headers: { ...headers, host: url.host },
        body,
      },
      { signingDate: at },
    )
    const { host: _, ...rest } = signed.headers
    return rest
  }

  async #load(): Promise<SignatureV4> {
    const { SignatureV4 } = await import('@smithy/signature-v4')
    return new SignatureV4({
      service: 's3',
      region: this.#region,
      // S3 signs the path as it is sent; every other service signs it escaped twice.
      uriEscapePath: false,
      applyChecksum: true,
      sha256: Sha256,
      credentials: this.#credentials,
    })
  }
}
