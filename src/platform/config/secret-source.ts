import { dirname } from 'node:path'
import { GatewayError } from '../errors/gateway-error.ts'
import { identityOf, type SourceConfiguration } from '../secrets/source.ts'
import { egressConfiguration } from '../security/egress-policies.ts'
import { generalSettings } from './general-settings.ts'
import { type Environment, prepare } from './prepare.ts'
import { routeiqSettings } from './routeiq-settings.ts'
import { section } from './section.ts'
import { isYamlMap, type YamlMap } from './source.ts'
import { secretMap } from './values.ts'

/** The part of a config that says where secrets come from: it is read first, from the environment alone. */
const settingsOfSecrets = section({
  general_settings: {
    schema: generalSettings.pick({ key_management_system: true, key_management_settings: true }).prefault({}),
    info: { status: 'active', description: '' },
  },
  routeiq: {
    schema: routeiqSettings.pick({ secrets: true, egress: true }).prefault({}),
    info: { status: 'active', description: '' },
  },
  environment_variables: { schema: secretMap.default({}), info: { status: 'active', description: '' } },
})

const defaultFileDirs = ['/run/secrets', '/var/run/secrets']

/**
 * Where the secrets of a config come from. Undefined when that part is not sound: whoever reads the whole says why.
 * @param file the config's own, beside which a custom secret manager is looked for.
 */
export function secretSource(tree: YamlMap, file: string, env: Environment): SourceConfiguration | undefined {
  let sound = true
  const prepared = prepare(settingsOfSecrets, picked(tree), {
    env,
    strict: false,
    report: (_path, _message, severity) => {
      if (severity === 'error') sound = false
    },
  })
  const result = settingsOfSecrets.safeParse(prepared.value, { jitless: true })
  if (!sound || !result.success) return undefined
  const { general_settings: general, routeiq } = result.data
  const { secrets } = routeiq
  const settings = {
    system: general.key_management_system,
    keyManagement: general.key_management_settings,
    pollInterval: secrets.poll_interval_seconds * 1000,
    grace: secrets.grace_period_seconds * 1000,
    fileDirs: secrets.file_dirs ?? dirsIn(env) ?? defaultFileDirs,
    folder: dirname(file),
  }
  try {
    return {
      settings,
      egress: egressConfiguration(routeiq.egress),
      env: prepared.env,
      identity: identityOf([settings, routeiq.egress, prepared.value['environment_variables']]),
    }
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

/** LiteLLM's variable, a comma between directories. */
function dirsIn(env: Environment): string[] | undefined {
  const dirs = env['LITELLM_OIDC_ALLOWED_CREDENTIAL_DIRS']?.split(',').map(dir => dir.trim())
  return dirs?.filter(dir => dir !== '')
}

function picked(tree: YamlMap): YamlMap {
  const part = (name: string, keys: readonly string[]): YamlMap => {
    const whole = tree[name]
    if (!isYamlMap(whole)) return {}
    return Object.fromEntries(keys.filter(key => whole[key] != null).map(key => [key, whole[key]]))
  }
  return {
    general_settings: part('general_settings', ['key_management_system', 'key_management_settings']),
    routeiq: part('routeiq', ['secrets', 'egress']),
    environment_variables: environment(tree['environment_variables']),
  }
}

/** Values that are kept elsewhere cannot say where secrets come from. */
function environment(value: unknown): YamlMap {
  if (!isYamlMap(value)) return {}
  const plain = Object.entries(value).filter(([, text]) => typeof text !== 'string' || !/^(file|oidc)\//.test(text))
  return Object.fromEntries(plain)
}
