import { readFile } from 'node:fs/promises'
import type { OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, SecretUnavailable } from '../backend.ts'
import { callFor, type Environment, jsonOf, type SecretServices, setting, textField } from '../call.ts'
import type { KeyManagementSettings } from '../settings.ts'
import { type AwsIdentity, signed, suffixOf } from './aws-request.ts'
import { type Expiring, Renewing } from './renewing.ts'

type Settings = Pick<
  KeyManagementSettings,
  'aws_role_name' | 'aws_session_name' | 'aws_external_id' | 'aws_web_identity_token' | 'aws_sts_endpoint'
>

const what = 'aws credentials'
const never = Number.MAX_SAFE_INTEGER

/**
 * Who this gateway is to AWS, in the order of AWS's SDKs: keys in the environment, a web identity (IRSA), the container's
 * credentials (ECS, EKS Pod Identity), the instance's role. With `aws_role_name` that role is assumed on top.
 * Profiles of ~/.aws are not read.
 */
export class AwsCredentials {
  readonly #settings: Settings
  readonly #services: SecretServices
  readonly #region: string
  readonly #identity: Renewing<AwsIdentity>

  constructor(settings: Settings, services: SecretServices, region: string) {
    this.#settings = settings
    this.#services = services
    this.#region = region
    this.#identity = new Renewing(() => this.#find(), services.epoch)
  }

  /** @throws SecretUnavailable */
  get(): Promise<AwsIdentity> {
    return this.#identity.get()
  }

  /** An error of AWS that says the credentials have ended: the next call gets others. */
  refused(error: string): void {
    if (/ExpiredToken|UnrecognizedClient|InvalidClientTokenId|InvalidSignature/.test(error)) this.#identity.forget()
  }

  async #find(): Promise<Expiring<AwsIdentity>> {
    const { env } = this.#services
    const role = this.#settings.aws_role_name ?? setting(env, 'AWS_ROLE_ARN')
    const tokenFile = this.#settings.aws_web_identity_token ?? setting(env, 'AWS_WEB_IDENTITY_TOKEN_FILE')
    const keys = keysIn(env)
    if (keys === undefined && tokenFile !== undefined && role !== undefined) return this.#byWebIdentity(role, tokenFile)
    const base = keys ?? (await this.#byContainer()) ?? (await this.#byInstance())
    const assumed = this.#settings.aws_role_name
    return assumed === undefined ? base : this.#assume(assumed, base.value)
  }

  /** https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html; needs no signature. */
  async #byWebIdentity(role: string, token: string): Promise<Expiring<AwsIdentity>> {
    // LiteLLM takes the token itself as well as the file it is in.
    const jwt = token.startsWith('/') ? await contentOf(token) : token
    const form = {
      Action: 'AssumeRoleWithWebIdentity',
      RoleArn: role,
      RoleSessionName: this.#sessionName(),
      WebIdentityToken: jwt,
    }
    const response = await this.#sts(form, {})
    return identityIn(response)
  }

  /** https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
  async #assume(role: string, identity: AwsIdentity): Promise<Expiring<AwsIdentity>> {
    const externalId = this.#settings.aws_external_id
    const form = {
      Action: 'AssumeRole',
      RoleArn: role,
      RoleSessionName: this.#sessionName(),
      ...(externalId === undefined ? {} : { ExternalId: externalId }),
    }
    const body = formText(form)
    const headers = await signed({
      method: 'POST',
      url: new URL(this.#stsAddress()),
      service: 'sts',
      region: this.#region,
      headers: { 'content-type': formType },
      body,
      identity,
      epoch: this.#services.epoch,
    })
    return identityIn(await this.#sts(form, headers))
  }

  async #sts(form: Readonly<Record<string, string>>, headers: Record<string, string>): Promise<OutboundResponse> {
    const response = await callFor(what, this.#services, this.#stsAddress(), {
      method: 'POST',
      headers: { 'content-type': formType, ...headers },
      body: formText(form),
    })
    if (response.status === 200) return response
    const code = /<Code>(\w{1,80})<\/Code>/.exec(response.text())?.[1]
    throw new SecretUnavailable(
      `${what}: ${form['Action']}: ${refusedWith(response.status)}${code === undefined ? '' : `, ${code}`}.`,
    )
  }

  /** https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
  async #byContainer(): Promise<Expiring<AwsIdentity> | undefined> {
    const { env } = this.#services
    const relative = setting(env, 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
    const full = setting(env, 'AWS_CONTAINER_CREDENTIALS_FULL_URI')
    const url = relative === undefined ? full : `http://169.254.170.2${relative}`
    if (url === undefined) return undefined
    const file = setting(env, 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE')
    const token = file === undefined ? setting(env, 'AWS_CONTAINER_AUTHORIZATION_TOKEN') : await contentOf(file)
    const response = await callFor(what, this.#services, url, {
      purpose: 'machine_identity',
      ...(token === undefined ? {} : { headers: { authorization: token } }),
    })
    if (response.status !== 200) throw new SecretUnavailable(`${what}: container: ${refusedWith(response.status)}.`)
    return identityInJson(jsonOf(what, response))
  }

  /** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html, version 2 alone. */
  async #byInstance(): Promise<Expiring<AwsIdentity>> {
    const { env } = this.#services
    const none = new SecretUnavailable(
      `${what}: none found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role (IRSA, container or instance).`,
    )
    if (setting(env, 'AWS_EC2_METADATA_DISABLED')?.toLowerCase() === 'true') throw none
    const base = (setting(env, 'AWS_EC2_METADATA_SERVICE_ENDPOINT') ?? 'http://169.254.169.254').replace(/\/+$/, '')
    const ask = (path: string, headers: Record<string, string>, method: 'GET' | 'PUT' = 'GET') =>
      callFor(what, this.#services, `${base}/latest/${path}`, {
        purpose: 'machine_identity',
        method,
        headers,
        timeout: 1000,
      })
    try {
      const session = await ask('api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': '300' }, 'PUT')
      const headers = { 'x-aws-ec2-metadata-token': session.text() }
      const roles = await ask('meta-data/iam/security-credentials/', headers)
      const role = roles.text().split('\n')[0]?.trim() ?? ''
      if (session.status !== 200 || roles.status !== 200 || !/^[\w+=,.@-]{1,128}$/.test(role)) throw none
      const response = await ask(`meta-data/iam/security-credentials/${role}`, headers)
      if (response.status !== 200) throw none
      return identityInJson(jsonOf(what, response))
    } catch (error) {
      throw error instanceof SecretUnavailable ? none : error
    }
  }

  #stsAddress(): string {
    const own = this.#settings.aws_sts_endpoint ?? setting(this.#services.env, 'AWS_ENDPOINT_URL_STS')
    return own ?? `https://sts.${this.#region}.${suffixOf(this.#region)}/`
  }

  #sessionName(): string {
    const name = this.#settings.aws_session_name ?? setting(this.#services.env, 'AWS_ROLE_SESSION_NAME') ?? 'routeiq'
    return name.replace(/[^\w+=,.@-]/g, '-').slice(0, 64)
  }
}

function keysIn(env: Environment): Expiring<AwsIdentity> | undefined {
  const accessKeyId = setting(env, 'AWS_ACCESS_KEY_ID')
  const secretAccessKey = setting(env, 'AWS_SECRET_ACCESS_KEY')
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  const sessionToken = setting(env, 'AWS_SESSION_TOKEN')
  return {
    value: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    expiresAt: never,
  }
}

const formType = 'application/x-www-form-urlencoded; charset=utf-8'

const formText = (form: Readonly<Record<string, string>>): string =>
  new URLSearchParams({ ...form, Version: '2011-06-15' }).toString()

/** STS answers in XML; these elements have neither attributes nor children. */
function identityIn(response: OutboundResponse): Expiring<AwsIdentity> {
  const xml = response.text()
  const element = (name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return identity(element('AccessKeyId'), element('SecretAccessKey'), element('SessionToken'), element('Expiration'))
}

const identityInJson = (body: unknown): Expiring<AwsIdentity> =>
  identity(
    textField(body, 'AccessKeyId'),
    textField(body, 'SecretAccessKey'),
    textField(body, 'Token'),
    textField(body, 'Expiration'),
  )

function identity(
  accessKeyId: string | undefined,
  secretAccessKey: string | undefined,
  sessionToken: string | undefined,
  expiration: string | undefined,
): Expiring<AwsIdentity> {
  const expiresAt = Date.parse(expiration ?? '')
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new SecretUnavailable(`${what}: the answer holds no credentials.`)
  }
  return {
    value: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    expiresAt: Number.isNaN(expiresAt) ? never : expiresAt,
  }
}

async function contentOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch {
    throw new SecretUnavailable(`${what}: the token file ${file} cannot be read.`)
  }
}
