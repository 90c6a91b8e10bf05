import { createHash, createHmac, randomUUID } from 'node:crypto'
import { type FakeAnswer, type FakeRequest, type FakeServer, fakeServer } from '../fake-server.fixtures.ts'

interface Identity {
  readonly secretAccessKey: string
  readonly sessionToken: string | undefined
}

export interface FakeAws extends FakeServer {
  readonly secrets: Map<string, string>
  /** Access key id → what its signatures are made with. */
  readonly identities: Map<string, Identity>
  /** Role ARN → who may assume it: a web identity token, or an external id. */
  readonly roles: Map<string, { readonly webIdentity?: string; readonly externalId?: string }>
  readonly region: string
  /** What KMS would make of a text. */
  encrypt(text: string): string
}

/**
 * Secrets Manager, KMS, STS and the container credentials endpoint in one: every signature is worked out anew from the
 * request and compared. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export async function fakeAws(): Promise<FakeAws> {
  const secrets = new Map<string, string>()
  const identities = new Map<string, Identity>([
    ['AKIAFAKE', { secretAccessKey: 'aws-secret', sessionToken: undefined }],
  ])
  const roles: FakeAws['roles'] = new Map()
  const region = 'eu-west-1'

  const grant = (): Record<string, string> => {
    const accessKeyId = `ASIA${randomUUID().slice(0, 8).toUpperCase()}`
    const identity = { secretAccessKey: randomUUID(), sessionToken: randomUUID() }
    identities.set(accessKeyId, identity)
    const Expiration = new Date(Date.now() + 3_600_000).toISOString()
    return {
      AccessKeyId: accessKeyId,
      SecretAccessKey: identity.secretAccessKey,
      SessionToken: identity.sessionToken,
      Expiration,
    }
  }
  const sts = (request: FakeRequest): FakeAnswer => {
    const form = new URLSearchParams(request.body)
    const role = roles.get(form.get('RoleArn') ?? '')
    const refused: FakeAnswer = {
      status: 403,
      body: '<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>',
    }
    if (role === undefined || form.get('Version') !== '2011-06-15') return refused
    if (form.get('Action') === 'AssumeRoleWithWebIdentity') {
      if (role.webIdentity !== form.get('WebIdentityToken')) return refused
    } else {
      if (signatureProblem(request, 'sts') !== undefined || role.externalId !== (form.get('ExternalId') ?? undefined))
        return refused
    }
    const elements = Object.entries(grant()).map(([name, value]) => `<${name}>${value}</${name}>`)
    return { body: `<${form.get('Action')}Response><Credentials>${elements.join('')}</Credentials></x>` }
  }
  /** Version 2 of the instance metadata: nothing without a session. */
  const instance = ({ method, path, headers }: FakeRequest): FakeAnswer => {
    if (path === '/latest/api/token') {
      const sound = method === 'PUT' && headers['x-aws-ec2-metadata-token-ttl-seconds'] !== undefined
      return sound ? { body: 'imds-session' } : { status: 400 }
    }
    if (headers['x-aws-ec2-metadata-token'] !== 'imds-session') return { status: 401 }
    if (path === '/latest/meta-data/iam/security-credentials/') return { body: 'gateway-role\n' }
    if (path !== '/latest/meta-data/iam/security-credentials/gateway-role') return { status: 404 }
    const { SessionToken, ...rest } = grant()
    return { body: { Code: 'Success', ...rest, Token: SessionToken } }
  }
  const failed = (status: number, type: string): FakeAnswer => ({
    status,
    body: { __type: type, Message: 'words of AWS' },
  })

  const signatureProblem = (request: FakeRequest, service: string): string | undefined => {
    const { headers } = request
    const match =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
        headers.authorization ?? '',
      )
    if (match === null) return 'MissingAuthenticationToken'
    const [, accessKeyId = '', date = '', scopeRegion, scopeService, names = '', signature] = match
    const identity = identities.get(accessKeyId)
    if (identity === undefined || headers['x-amz-security-token'] !== identity.sessionToken)
      return 'UnrecognizedClientException'
    if (scopeRegion !== region || scopeService !== service) return 'SignatureDoesNotMatch'
    const signedHeaders = names.split(';')
    if (!signedHeaders.includes('host') || !signedHeaders.includes('x-amz-date')) return 'SignatureDoesNotMatch'
    const stamp = String(headers['x-amz-date'])
    if (Math.abs(parseStamp(stamp) - Date.now()) > 300_000) return 'RequestExpired'
    const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
    const canonical = [
      request.method,
      request.path,
      request.query.toString(),
      ...signedHeaders.map(name => `${name}:${String(headers[name] ?? '').trim()}`),
      '',
      names,
      sha(request.body),
    ].join('\n')
    const toSign = ['AWS4-HMAC-SHA256', stamp, `${date}/${region}/${service}/aws4_request`, sha(canonical)].join('\n')
    let key: Buffer | string = `AWS4${identity.secretAccessKey}`
    for (const part of [date, region, service, 'aws4_request']) key = createHmac('sha256', key).update(part).digest()
    return createHmac('sha256', key).update(toSign).digest('hex') === signature ? undefined : 'SignatureDoesNotMatch'
  }

  const answer = (request: FakeRequest): FakeAnswer => {
    if (request.path === '/credentials') {
      if (request.headers.authorization !== 'container-token') return { status: 403 }
      const { SessionToken, ...rest } = grant()
      return { body: { ...rest, Token: SessionToken } }
    }
    if (request.path.startsWith('/latest/')) return instance(request)
    const target = request.headers['x-amz-target']
    if (target === undefined) return sts(request)
    const [api, action] = String(target).split('.')
    const service = api === 'TrentService' ? 'kms' : 'secretsmanager'
    const problem = signatureProblem(request, service)
    if (problem !== undefined) return failed(400, `com.amazon.coral.service#${problem}`)
    const body = JSON.parse(request.body) as Record<string, string>
    switch (action) {
      case 'GetSecretValue': {
        const text = secrets.get(body['SecretId'] ?? '')
        return text === undefined ? failed(400, 'ResourceNotFoundException') : { body: { SecretString: text } }
      }
      case 'PutSecretValue':
        if (!secrets.has(body['SecretId'] ?? '')) return failed(400, 'ResourceNotFoundException')
        secrets.set(body['SecretId'] ?? '', body['SecretString'] ?? '')
        return {}
      case 'CreateSecret':
        secrets.set(body['Name'] ?? '', body['SecretString'] ?? '')
        return {}
      case 'DeleteSecret':
        secrets.delete(body['SecretId'] ?? '')
        return {}
      case 'Decrypt': {
        const text = Buffer.from(body['CiphertextBlob'] ?? '', 'base64').toString()
        if (!text.startsWith('kms:')) return failed(400, 'InvalidCiphertextException')
        return { body: { Plaintext: Buffer.from(text.slice(4)).toString('base64') } }
      }
      default:
        return failed(400, 'UnknownOperationException')
    }
  }
  const server = await fakeServer(answer)
  return Object.assign(server, {
    secrets,
    identities,
    roles,
    region,
    encrypt: (text: string) => Buffer.from(`kms:${text}`).toString('base64'),
  })
}

/** `20260102T030405Z` */
const parseStamp = (stamp: string): number =>
  Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
