import type { LiveSecret } from '../secrets/live-secret.ts'
import type { Prepared } from './prepare.ts'
import { pathText } from './problem.ts'
import type { GatewayConfig } from './schema.ts'
import { isYamlMap } from './source.ts'

/** The keys of a deployment whose holder follows a change by itself. */
const credentialKeys = ['api_key', 'azure_ad_token'] as const

/**
 * Puts the secrets that may change in the place of the text they have now. The text leaves the prepared tree as well, so
 * that a rotated key is not another configuration.
 * @param writtenAt index in the checked list → index as written
 * @returns the paths of what now follows
 */
export function attachLiveCredentials(
  config: GatewayConfig,
  { live, value }: Prepared,
  writtenAt: (index: number) => number,
): ReadonlySet<string> {
  const followed = new Set<string>()
  if (live.size === 0) return followed
  const attach = (
    path: readonly (string | number)[],
    params: { [K in (typeof credentialKeys)[number]]?: unknown },
    raw: unknown,
  ): void => {
    for (const key of credentialKeys) {
      const at = pathText([...path, key])
      const secret: LiveSecret | undefined = live.get(at)
      if (secret === undefined) continue
      params[key] = secret
      if (isYamlMap(raw)) raw[key] = secret.reference
      followed.add(at)
    }
  }
  const list = Array.isArray(value['model_list']) ? value['model_list'] : []
  for (const [index, { litellm_params: params }] of config.model_list.entries()) {
    const entry: unknown = list[index]
    const path = ['model_list', writtenAt(index), 'litellm_params']
    attach(path, params, isYamlMap(entry) ? entry['litellm_params'] : undefined)
  }
  const defaults = config.router_settings.default_litellm_params
  if (defaults !== undefined) {
    const router = value['router_settings']
    const path = ['router_settings', 'default_litellm_params']
    attach(path, defaults, isYamlMap(router) ? router['default_litellm_params'] : undefined)
  }
  return followed
}
