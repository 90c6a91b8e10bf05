import type { OutboundResponse } from '../../security/outbound.ts'
import { refusedWith, type SecretBackend, type SecretReading, SecretUnavailable } from '../backend.ts'
import { fields, jsonOf, type SecretServices, setting, textField } from '../call.ts'
import type { KeyManagementSettings } from '../settings.ts'
import { AwsCredentials } from '../tokens/aws-credentials.ts'
import { awsPost, regionOf } from '../tokens/aws-request.ts'

/** What an error of AWS's JSON protocols names itself, without its words. */
function errorOf(response: OutboundResponse): string {
  try {
    const type = textField(response.json(), '__type') ?? ''
    return type.slice(type.lastIndexOf('#') + 1)
  } catch {
    return ''
  }
}

/**
 * AWS Secrets Manager. The secret's name is the variable's name.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 */
export function awsSecretsManager(settings: KeyManagementSettings, services: SecretServices): SecretBackend {
  const region = regionOf(settings, services.env, 'aws_secret_manager')
  const credentials = new AwsCredentials(settings, services, region)
  const endpoint = setting(services.env, 'AWS_ENDPOINT_URL_SECRETS_MANAGER', 'AWS_ENDPOINT_URL')
  const call = async (action: string, body: object): Promise<OutboundResponse> => {
    const request = { service: 'secretsmanager', region, endpoint, target: `secretsmanager.${action}`, body }
    const response = await awsPost('aws_secret_manager', request, credentials, services)
    if (response.status !== 200) credentials.refused(errorOf(response))
    return response
  }
  const failed = (doing: string, response: OutboundResponse): SecretUnavailable =>
    new SecretUnavailable(
      `aws_secret_manager: ${doing}: ${refusedWith(response.status)}${errorOf(response) === '' ? '' : `, ${errorOf(response)}`}.`,
    )

  return {
    system: 'aws_secret_manager',
    async read(name): Promise<SecretReading | undefined> {
      const response = await call('GetSecretValue', { SecretId: name })
      if (response.status !== 200) {
        if (errorOf(response) === 'ResourceNotFoundException') return undefined
        throw failed(name, response)
      }
      const body = jsonOf('aws_secret_manager', response)
      const text = textField(body, 'SecretString')
      if (text !== undefined) return { text }
      const binary = textField(body, 'SecretBinary')
      return binary === undefined ? undefined : { text: Buffer.from(binary, 'base64').toString('utf8') }
    },
    async write(name, value, note) {
      const put = await call('PutSecretValue', { SecretId: name, SecretString: value })
      if (put.status === 200) return
      if (errorOf(put) !== 'ResourceNotFoundException') throw failed(`writing ${name}`, put)
      const created = await call('CreateSecret', {
        Name: name,
        SecretString: value,
        ...(settings.kms_key_id === undefined ? {} : { KmsKeyId: settings.kms_key_id }),
        ...(note?.description === undefined ? {} : { Description: note.description }),
        ...(note?.tags === undefined
          ? {}
          : { Tags: Object.entries(note.tags).map(([Key, Value]) => ({ Key, Value })) }),
      })
      if (created.status !== 200) throw failed(`writing ${name}`, created)
    },
    async remove(name) {
      const response = await call('DeleteSecret', { SecretId: name, RecoveryWindowInDays: 7 })
      if (response.status !== 200 && errorOf(response) !== 'ResourceNotFoundException') {
        throw failed(`removing ${name}`, response)
      }
    },
  }
}

/**
 * AWS KMS: the environment holds ciphertext, base64, and KMS opens it.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
 */
export function awsKms(settings: KeyManagementSettings, services: SecretServices): SecretBackend {
  const region = regionOf(settings, services.env, 'aws_kms')
  const credentials = new AwsCredentials(settings, services, region)
  const endpoint = setting(services.env, 'AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL')
  return {
    system: 'aws_kms',
    pollInterval: 0,
    async read(name) {
      const ciphertext = setting(services.env, name)
      if (ciphertext === undefined) return undefined
      const body = {
        CiphertextBlob: ciphertext,
        ...(settings.kms_key_id === undefined ? {} : { KeyId: settings.kms_key_id }),
      }
      const request = { service: 'kms', region, endpoint, target: 'TrentService.Decrypt', body }
      const response = await awsPost('aws_kms', request, credentials, services)
      if (response.status !== 200) {
        credentials.refused(errorOf(response))
        const error = errorOf(response)
        throw new SecretUnavailable(
          `aws_kms: ${name}: ${refusedWith(response.status)}${error === '' ? '' : `, ${error}`}. The variable must hold the base64 ciphertext.`,
        )
      }
      const plaintext = textField(fields(jsonOf('aws_kms', response)), 'Plaintext')
      if (plaintext === undefined) throw new SecretUnavailable(`aws_kms: ${name}: the answer holds no plaintext.`)
      return { text: Buffer.from(plaintext, 'base64').toString('utf8').trim() }
    },
  }
}
