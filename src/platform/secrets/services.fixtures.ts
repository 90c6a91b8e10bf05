import { EgressDoors } from '../security/egress-doors.ts'
import { egressConfiguration } from '../security/egress-policies.ts'
import type { Environment, SecretServices } from './call.ts'
import type { KeyManagementSettings, SecretSettings } from './settings.ts'
import { identityOf, type SourceConfiguration } from './source.ts'

const loopback = { secrets: { allow_cidrs: ['127.0.0.0/8'] } }

export const keyManagement: KeyManagementSettings = {
  access_mode: 'read_only',
  store_virtual_keys: false,
  prefix_for_stored_virtual_keys: 'litellm/',
}

/** The services of a backend, with loopback allowed. */
export function servicesFor(
  env: Environment,
  epoch: () => number = Date.now,
): SecretServices & { close(): Promise<void> } {
  const outbound = new EgressDoors(egressConfiguration(loopback))
  return { outbound, env, epoch, close: () => outbound.destroy() }
}

export function configurationFor(
  env: Environment,
  settings: Partial<SecretSettings>,
  keys: Partial<KeyManagementSettings> = {},
): SourceConfiguration {
  const whole: SecretSettings = {
    system: 'local',
    keyManagement: { ...keyManagement, ...keys },
    pollInterval: 60_000,
    grace: 300_000,
    fileDirs: [],
    folder: '/',
    ...settings,
  }
  return { settings: whole, egress: egressConfiguration(loopback), env, identity: identityOf([env, whole]) }
}
