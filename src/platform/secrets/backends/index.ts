import type { SecretBackend } from '../backend.ts'
import type { SecretServices } from '../call.ts'
import type { SecretSettings } from '../settings.ts'

/**
 * The configured secret manager; undefined for `local`. Each is loaded only where it is used.
 * @throws SecretUnavailable when its settings are incomplete.
 */
export async function openBackend(
  settings: SecretSettings,
  services: SecretServices,
): Promise<SecretBackend | undefined> {
  const { system, keyManagement } = settings
  switch (system) {
    case 'local':
      return undefined
    case 'hashicorp_vault':
      return (await import('./vault.ts')).vaultBackend(services)
    case 'aws_secret_manager':
      return (await import('./aws.ts')).awsSecretsManager(keyManagement, services)
    case 'aws_kms':
      return (await import('./aws.ts')).awsKms(keyManagement, services)
    case 'google_secret_manager':
      return (await import('./google.ts')).googleSecretManager(services)
    case 'google_kms':
      return (await import('./google.ts')).googleKms(services)
    case 'azure_key_vault':
      return (await import('./azure-key-vault.ts')).azureKeyVault(services)
    case 'cyberark':
      return (await import('./conjur.ts')).conjurBackend(services)
    case 'custom':
      return (await import('./custom.ts')).customBackend(settings)
  }
}
