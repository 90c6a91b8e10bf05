import type { LimitRule, Metric, Scope } from './limit-rule.ts'

/** Names of the response headers that tell of a limit. */
export interface LimitHeaders {
  readonly limit: string | undefined
  readonly remaining: string
  readonly reset: string | undefined
  /** A key's own limit also has the names without a scope, which SDKs read. */
  readonly plain: { readonly limit: string; readonly remaining: string; readonly reset: string } | undefined
  /** `x-litellm-key-remaining-requests-<model>`. */
  readonly ofModel: string | undefined
}

/** LiteLLM's words for scopes; tags and the whole gateway are not the caller's business. */
const descriptors: Readonly<Partial<Record<Scope, string>>> = {
  organization: 'organization',
  team: 'team',
  team_member: 'team_member',
  user: 'user',
  key: 'api_key',
  project: 'project',
  agent: 'agent',
  session: 'agent_session',
  end_user: 'end_user',
  model_group: 'model',
  priority: 'priority_model',
}

const perModel: Readonly<Partial<Record<Scope, string>>> = { key: 'model_per_key', team: 'model_per_team' }

/** LiteLLM's words for what is counted. */
export const limitTypes: Readonly<Record<Metric, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  input_tokens: 'input_tokens',
  output_tokens: 'output_tokens',
  parallel: 'max_parallel_requests',
  budget: 'budget',
}

/** Undefined: the limit is not shown. */
export function headerNames({ scope, metric, model }: LimitRule): LimitHeaders | undefined {
  const descriptor = model === undefined ? descriptors[scope] : (perModel[scope] ?? undefined)
  if (descriptor === undefined) return undefined
  const type = limitTypes[metric]
  if (metric === 'budget') {
    if (model !== undefined) return undefined
    const remaining = `x-routeiq-${descriptor.replaceAll('_', '-')}-remaining-budget`
    return { limit: undefined, remaining, reset: undefined, plain: undefined, ofModel: undefined }
  }
  const prefix = `x-ratelimit-${descriptor}`
  const plain =
    scope === 'key' && model === undefined && (metric === 'requests' || metric === 'tokens')
      ? {
          limit: `x-ratelimit-limit-${type}`,
          remaining: `x-ratelimit-remaining-${type}`,
          reset: `x-ratelimit-reset-${type}`,
        }
      : undefined
  return {
    limit: `${prefix}-limit-${type}`,
    remaining: `${prefix}-remaining-${type}`,
    reset: metric === 'parallel' ? undefined : `${prefix}-reset-${type}`,
    plain,
    ofModel:
      scope === 'key' && model !== undefined && (metric === 'requests' || metric === 'tokens')
        ? `x-litellm-key-remaining-${type}-${headerToken(model)}`
        : undefined,
  }
}

/** A model's name inside a header's name: what HTTP does not allow there becomes `_`. */
const headerToken = (name: string): string => name.replace(/[^\w!#$%&'*+.^`|~-]/g, '_').slice(0, 128)
