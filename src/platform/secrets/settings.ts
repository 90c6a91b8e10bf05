/** LiteLLM's `key_management_system`. */
export const keyManagementSystems = [
  'local',
  'hashicorp_vault',
  'aws_secret_manager',
  'aws_kms',
  'google_secret_manager',
  'google_kms',
  'azure_key_vault',
  'cyberark',
  'custom',
] as const

export type KeyManagementSystem = (typeof keyManagementSystems)[number]

export type AccessMode = 'read_only' | 'write_only' | 'read_and_write'

/** `key_management_settings`, in LiteLLM's words. */
export interface KeyManagementSettings {
  readonly hosted_keys?: readonly string[] | undefined
  readonly access_mode: AccessMode
  readonly primary_secret_name?: string | undefined
  readonly store_virtual_keys: boolean
  readonly prefix_for_stored_virtual_keys: string
  readonly description?: string | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly kms_key_id?: string | undefined
  readonly custom_secret_manager?: string | undefined
  readonly aws_region_name?: string | undefined
  readonly aws_role_name?: string | undefined
  readonly aws_session_name?: string | undefined
  readonly aws_external_id?: string | undefined
  readonly aws_web_identity_token?: string | undefined
  readonly aws_sts_endpoint?: string | undefined
}

/** Everything that decides where secrets come from, as one config says it. */
export interface SecretSettings {
  readonly system: KeyManagementSystem
  readonly keyManagement: KeyManagementSettings
  /** Milliseconds between polls; a backend's own setting wins. */
  readonly pollInterval: number
  /** Milliseconds the value before a change stays usable. */
  readonly grace: number
  readonly fileDirs: readonly string[]
  /** Where relative paths of a custom secret manager begin. */
  readonly folder: string
}
