import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Environment } from '../call.ts'
import { keyManagement, servicesFor } from '../services.fixtures.ts'
import type { KeyManagementSettings } from '../settings.ts'
import { type FakeAws, fakeAws } from './aws.fixtures.ts'
import { awsKms, awsSecretsManager } from './aws.ts'

let aws: FakeAws
const ends: (() => Promise<void>)[] = []

beforeEach(async () => {
  aws = await fakeAws()
})
afterEach(async () => {
  await Promise.all(ends.splice(0).map(end => end()))
  await aws.close()
})

const keys = { AWS_ACCESS_KEY_ID: 'AKIAFAKE', AWS_SECRET_ACCESS_KEY: 'aws-secret' }

function services(env: Environment) {
  const made = servicesFor({ AWS_REGION: aws.region, AWS_ENDPOINT_URL: aws.url, AWS_ENDPOINT_URL_STS: aws.url, ...env })
  ends.push(made.close)
  return made
}

const manager = (env: Environment, settings: Partial<KeyManagementSettings> = {}) =>
  awsSecretsManager({ ...keyManagement, ...settings }, services(env))

const file = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'routeiq-aws-')), 'token')
  writeFileSync(path, text)
  return path
}

describe('Secrets Manager', () => {
  it('reads with a signature that holds', async () => {
    aws.secrets.set('OPENAI_API_KEY', 'sk-ünï')
    const found = manager(keys)
    expect(await found.read('OPENAI_API_KEY')).toEqual({ text: 'sk-ünï' })
    expect(await found.read('OTHER')).toBeUndefined()
  })

  it('tells the name of an error, and neither words nor keys', async () => {
    const refused = await manager({ ...keys, AWS_SECRET_ACCESS_KEY: 'wrong-secret' })
      .read('K')
      .catch(error => error)
    expect(refused.message).toContain('SignatureDoesNotMatch')
    expect(refused.message).not.toMatch(/words of AWS|wrong-secret/)
  })

  it('creates, changes and removes', async () => {
    const found = manager(keys)
    await found.write?.('litellm/a', '1', { tags: { Owner: 'x' } })
    await found.write?.('litellm/a', '2')
    expect([...aws.secrets]).toEqual([['litellm/a', '2']])
    await found.remove?.('litellm/a')
    expect(aws.secrets.size).toBe(0)
  })

  it('needs a region that can stand in a host name', () => {
    expect(() => manager({ ...keys, AWS_REGION: '' })).toThrow(/AWS_REGION_NAME/)
    expect(() => manager(keys, { aws_region_name: 'x.evil.example/' })).toThrow(/aws_region_name/)
  })
})

describe('credentials', () => {
  beforeEach(() => void aws.secrets.set('K', 'v'))

  it('of a web identity (IRSA) are fetched once and used until they end', async () => {
    aws.roles.set('arn:role', { webIdentity: 'jwt-of-pod' })
    const found = manager({ AWS_ROLE_ARN: 'arn:role', AWS_WEB_IDENTITY_TOKEN_FILE: file('jwt-of-pod\n') })
    expect(await found.read('K')).toEqual({ text: 'v' })
    expect(await found.read('K')).toEqual({ text: 'v' })
    expect(aws.requests.filter(({ body }) => body.includes('AssumeRoleWithWebIdentity'))).toHaveLength(1)
  })

  it('that AWS no longer knows are fetched again', async () => {
    aws.roles.set('arn:role', { webIdentity: 'jwt-of-pod' })
    const found = manager({ AWS_ROLE_ARN: 'arn:role', AWS_WEB_IDENTITY_TOKEN_FILE: file('jwt-of-pod') })
    await found.read('K')
    aws.identities.clear()
    await expect(found.read('K')).rejects.toThrow(/UnrecognizedClientException/)
    expect(await found.read('K')).toEqual({ text: 'v' })
  })

  it('of a role are assumed on top of keys, with the external id it demands', async () => {
    aws.roles.set('arn:other', { externalId: 'ext' })
    const settings = { aws_role_name: 'arn:other', aws_external_id: 'ext' }
    expect(await manager(keys, settings).read('K')).toEqual({ text: 'v' })
    await expect(manager(keys, { aws_role_name: 'arn:other' }).read('K')).rejects.toThrow(/AssumeRole: .*AccessDenied/)
  })

  it('of a container come from its endpoint', async () => {
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.url}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file('container-token'),
    }
    expect(await manager(env).read('K')).toEqual({ text: 'v' })
  })

  it('of an instance come with a session', async () => {
    expect(await manager({ AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.url }).read('K')).toEqual({ text: 'v' })
  })

  it('never come from an address that is no machine’s', async () => {
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://10.0.0.1/credentials' }
    await expect(manager(env).read('K')).rejects.toThrow(/not allowed/)
    const open = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://93.184.215.14/credentials' }
    await expect(manager(open).read('K')).rejects.toThrow(/only listed hosts/)
  })

  it('that are nowhere are told as such', async () => {
    await expect(manager({ AWS_EC2_METADATA_DISABLED: 'true' }).read('K')).rejects.toThrow(/none found/)
  })
})

describe('KMS', () => {
  it('opens what the environment holds', async () => {
    const found = awsKms(keyManagement, services({ ...keys, MASTER: aws.encrypt('sk-master\n') }))
    expect(await found.read('MASTER')).toEqual({ text: 'sk-master' })
    expect(await found.read('OTHER')).toBeUndefined()
    expect(found.pollInterval).toBe(0)
  })

  it('says that a plain text is no ciphertext', async () => {
    const found = awsKms(keyManagement, services({ ...keys, MASTER: 'sk-plain' }))
    await expect(found.read('MASTER')).rejects.toThrow(/InvalidCiphertextException.*base64 ciphertext/)
  })
})
