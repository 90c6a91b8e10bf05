import { createHash, createHmac } from 'node:crypto'

export interface SignedRequest {
  readonly method: string
  /** As it stands on the request line. */
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest()

/**
 * Checks a request as S3 does, written from AWS's description and independent of the library that signs. Undefined: the
 * signature holds; else the code S3 answers with.
 */
export function signatureFault(request: SignedRequest, accounts: Readonly<Record<string, string>>): string | undefined {
  const { method, path, headers, body } = request
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
  const match = form.exec(headers['authorization'] ?? '')
  if (match === null) return 'AccessDenied'
  const [, id = '', day = '', region = '', names = '', signature] = match
  const secret = accounts[id]
  if (secret === undefined) return 'InvalidAccessKeyId'
  const payload = headers['x-amz-content-sha256'] ?? ''
  if (payload !== sha256(body)) return 'XAmzContentSHA256Mismatch'
  const signed = names.split(';')
  // Every x-amz header and the host must be covered (AWS: "Canonical headers").
  const uncovered = Object.keys(headers).filter(name => name.startsWith('x-amz-') && !signed.includes(name))
  if (uncovered.length > 0 || !signed.includes('host')) return 'AccessDenied'
  const [route = '', query = ''] = path.split('?')
  const canonical = [
    method,
    route,
    query,
    ...signed.map(name => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
    '',
    names,
    payload,
  ].join('\n')
  const time = headers['x-amz-date'] ?? ''
  if (!time.startsWith(day)) return 'AccessDenied'
  const text = ['AWS4-HMAC-SHA256', time, `${day}/${region}/s3/aws4_request`, sha256(canonical)].join('\n')
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request')
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch'
}
