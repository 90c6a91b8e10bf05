/**
 * LiteLLM's names for sets of routes, as `allowed_routes` uses them. Each route declares the sets it belongs to; nothing
 * is decided on the text of a path.
 */
export const routeGroups = [
  'openai_routes',
  'anthropic_routes',
  'google_routes',
  'mcp_routes',
  'agent_routes',
  'pass_through_routes',
  'llm_api_routes',
  'info_routes',
  'key_management_routes',
  'management_routes',
  'spend_tracking_routes',
  'global_spend_tracking_routes',
  'public_routes',
  'self_managed_routes',
  'scim_routes',
] as const

export type RouteGroup = (typeof routeGroups)[number]

/** `key_type` of `/key/generate` → `allowed_routes`. */
export const keyTypes: Readonly<Record<string, readonly string[]>> = {
  default: [],
  llm_api: ['llm_api_routes'],
  management: ['management_routes'],
  read_only: ['info_routes'],
}

/** What a check needs to know of a matched route. */
export interface RouteFacts {
  /** Path templates as declared, without prefix. */
  readonly paths: readonly string[]
  readonly groups: readonly RouteGroup[]
}

/**
 * Whether an `allowed_routes` list covers a matched route. Entries: a group, a declared path (`/key/info`,
 * `/v1/models/{model_id}`), or a prefix wildcard over declared paths (`/spend/*`). Empty: no restriction.
 */
export function routeAllowed(allowed: readonly string[], route: RouteFacts): boolean {
  if (allowed.length === 0) return true
  return allowed.some(entry => {
    if ((route.groups as readonly string[]).includes(entry)) return true
    if (entry.endsWith('/*')) return route.paths.some(path => path.startsWith(entry.slice(0, -1)))
    const template = entry.replaceAll(/\{([^}]+)\}/g, ':$1')
    return route.paths.some(path => path === entry || sameTemplate(path, template))
  })
}

/** `/v1/models/:id` and `/v1/models/:model_id` are one route. */
const sameTemplate = (a: string, b: string): boolean =>
  a.replaceAll(/:[^/]+|\*$/g, ':') === b.replaceAll(/:[^/]+|\*$/g, ':')
