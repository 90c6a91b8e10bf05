import { describe, expect, it } from 'vitest'
import { objectUrl } from './s3-address.ts'
import { signatureFault } from './s3-signature.fixtures.ts'
import { S3Signer } from './s3-signer.ts'

const aws = { region: 'us-east-1', endpoint: undefined, bucket: 'examplebucket' }

describe('the address of an object', () => {
  it('is that of AWS, or of any endpoint, in both styles', () => {
    const url = (more: object, key = 'a/b.json') => objectUrl({ ...aws, virtualHost: false, ...more }, key).href
    expect(url({})).toBe('https://s3.us-east-1.amazonaws.com/examplebucket/a/b.json')
    expect(url({ virtualHost: true })).toBe('https://examplebucket.s3.us-east-1.amazonaws.com/a/b.json')
    expect(url({ region: 'cn-north-1' })).toBe('https://s3.cn-north-1.amazonaws.com.cn/examplebucket/a/b.json')
    const minio = { endpoint: 'http://minio:9000/store/' }
    expect(url(minio)).toBe('http://minio:9000/store/examplebucket/a/b.json')
    expect(url({ ...minio, virtualHost: true })).toBe('http://examplebucket.minio:9000/store/a/b.json')
  })

  it('escapes what SigV4 escapes, once', () => {
    expect(objectUrl({ ...aws, virtualHost: true }, "a b/ü(1)!*'/50%/x?y#z").pathname).toBe(
      '/a%20b/%C3%BC%281%29%21%2A%27/50%25/x%3Fy%23z',
    )
  })
})

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, with its example credentials.
const id = 'AKIAIOSFODNN7EXAMPLE'
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const body = Buffer.from('Welcome to Amazon S3.')

describe('the signature', () => {
  it('is checked here as S3 checks it: the example of its documentation holds', () => {
    const headers = {
      host: 'examplebucket.s3.amazonaws.com',
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-date': '20130524T000000Z',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      authorization:
        `AWS4-HMAC-SHA256 Credential=${id}/20130524/us-east-1/s3/aws4_request,` +
        'SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,' +
        'Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    }
    const request = { method: 'PUT', path: '/test%24file.text', headers, body }
    expect(signatureFault(request, { [id]: secret })).toBeUndefined()
    expect(signatureFault(request, { [id]: 'other' })).toBe('SignatureDoesNotMatch')
    expect(signatureFault({ ...request, path: '/other' }, { [id]: secret })).toBe('SignatureDoesNotMatch')
    expect(signatureFault({ ...request, body: Buffer.from('x') }, { [id]: secret })).toBe('XAmzContentSHA256Mismatch')
  })

  it.each([undefined, 'token/+='])('is one that S3 accepts, with session token %s', async sessionToken => {
    const signer = new S3Signer('eu-west-1', async () => ({
      accessKeyId: id,
      secretAccessKey: secret,
      ...(sessionToken !== undefined && { sessionToken }),
    }))
    const url = new URL('http://s3.test:9000/bucket/a%20b/%C3%BC%281%29/x.gz')
    const given = { 'content-type': 'application/gzip', 'x-amz-server-side-encryption': 'AES256' }
    const headers = await signer.put(url, given, body, new Date('2026-01-02T03:04:05Z'))
    expect(headers['x-amz-security-token']).toBe(sessionToken)
    expect(headers['x-amz-date']).toBe('20260102T030405Z')
    const request = { method: 'PUT', path: url.pathname, headers: { ...headers, host: url.host }, body }
    expect(signatureFault(request, { [id]: secret })).toBeUndefined()
    expect(signatureFault({ ...request, headers: { ...request.headers, host: 'other' } }, { [id]: secret })).toBe(
      'SignatureDoesNotMatch',
    )
  })
})
