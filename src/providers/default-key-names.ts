import { vendorOfModel } from './vendors.ts'

/**
 * The environment variables from which deployments without `api_key` take their credential, for a secret manager that
 * keeps them: nothing in the config names those. Takes the tree as written; what is not sound is passed over.
 */
export function defaultKeyNames(tree: Readonly<Record<string, unknown>>): string[] {
  const names = new Set<string>()
  for (const entry of Array.isArray(tree['model_list']) ? tree['model_list'] : []) {
    const params = fields(fields(entry)['litellm_params'])
    const { model, custom_llm_provider: provider, api_key: key, azure_ad_token: token } = params
    if (typeof model !== 'string' || key != null || token != null) continue
    for (const name of keyNamesOf(model, typeof provider === 'string' ? provider : undefined)) names.add(name)
  }
  return [...names]
}

/** A bearer token may stand in for a key (see `bearerToken` in the pipeline's compile-deployment). */
const bearerNames: Readonly<Record<string, readonly string[]>> = {
  azure: ['AZURE_AD_TOKEN'],
  anthropic: ['ANTHROPIC_AUTH_TOKEN'],
}

function keyNamesOf(model: string, provider: string | undefined): readonly string[] {
  try {
    const { vendor } = vendorOfModel(model, provider)
    return [...vendor.apiKeyEnv, ...(bearerNames[vendor.id] ?? [])]
  } catch {
    return []
  }
}

const fields = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
