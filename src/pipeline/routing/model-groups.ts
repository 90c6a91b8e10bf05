import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import type { ModelGroup } from './types.ts'
import { bySpecificity, compileWildcard, matchWildcard, type Wildcard } from './wildcard.ts'

export type AliasTarget = string | { readonly model: string; readonly hidden?: boolean | undefined }

export interface ModelIndexOptions {
  /** `router_settings.model_group_alias`. */
  readonly groupAliases?: Readonly<Record<string, AliasTarget>>
  /** `litellm_settings.model_alias_map`; looked at before the group aliases. */
  readonly aliasMap?: Readonly<Record<string, string>>
  /**
   * Makes the deployment that answers for one requested name from the wildcard deployment that matched it; `captured`
   * is what each `*` of its `model_name` stood for. Called once per name while the result is cached.
   */
  readonly specialise: (deployment: Deployment, requested: string, captured: readonly string[]) => Deployment
  /**
   * Names that stand for a choice among other groups, asked for when no group, alias or id has the name. Equal names
   * give the same group.
   */
  readonly virtual?: (name: string) => ModelGroup | undefined
  /** Those of them that /v1/models shows. */
  readonly virtualNames?: readonly string[]
  /** Wildcard matches kept, default 1,000. */
  readonly maxCached?: number
}

/** No vendor's model name is longer; what is would only fill the cache. */
const maxNameLength = 512

interface WildcardGroup extends Wildcard {
  readonly deployments: Deployment[]
}

/** Public names → deployments. Compiled once per snapshot; a look-up is one or two map reads unless a wildcard matches. */
export class ModelIndex {
  readonly #groups = new Map<string, ModelGroup>()
  readonly #byId = new Map<string, ModelGroup>()
  readonly #wildcards: WildcardGroup[]
  /** Wildcard groups under their patterns. */
  readonly #patterns: ReadonlyMap<string, ModelGroup>
  /** Alias → what it stands for in the end. */
  readonly #aliases = new Map<string, string>()
  readonly #publicNames: readonly string[]
  readonly #specialise: ModelIndexOptions['specialise']
  readonly #virtual: ModelIndexOptions['virtual']
  readonly #maxCached: number
  /** Least recently used first. */
  readonly #cache = new Map<string, ModelGroup>()

  /** @throws GatewayError `config_invalid` for aliases that lead in a circle, or two deployments with one id. */
  constructor(deployments: readonly Deployment[], options: ModelIndexOptions) {
    this.#specialise = options.specialise
    this.#virtual = options.virtual
    this.#maxCached = options.maxCached ?? 1000
    const members = new Map<string, Deployment[]>()
    for (const deployment of unique(deployments)) {
      const own = members.get(deployment.group)
      if (own === undefined) members.set(deployment.group, [deployment])
      else own.push(deployment)
      this.#addById(deployment)
    }
    const wildcards: WildcardGroup[] = []
    for (const [name, own] of members) {
      if (name.includes('*')) wildcards.push({ ...compileWildcard(name), deployments: own })
      else this.#groups.set(name, { name, deployments: own })
    }
    this.#wildcards = wildcards.sort(bySpecificity)
    this.#patterns = new Map(
      this.#wildcards.map(({ pattern, deployments: own }) => [pattern, { name: pattern, deployments: own, pattern }]),
    )
    this.#publicNames = this.#compileAliases(options)
  }

  /** Alias → group → deployment id → virtual name → most specific wildcard. Undefined: no such model. */
  resolve(requested: string): ModelGroup | undefined {
    const name = this.#aliases.size === 0 ? requested : (this.#aliases.get(requested) ?? requested)
    return this.#groups.get(name) ?? this.#byId.get(name) ?? this.#virtual?.(name) ?? this.#resolveWildcard(name)
  }

  /** Names for /v1/models, in config order: groups, then aliases that are not hidden. Patterns are not names. */
  publicNames(): readonly string[] {
    return this.#publicNames
  }

  /** `model_name` patterns, most specific first. */
  patterns(): readonly string[] {
    return this.#wildcards.map(({ pattern }) => pattern)
  }

  /** Groups under their own names, for health and admin pages. Wildcard groups under their patterns. */
  groups(): readonly ModelGroup[] {
    return [...this.#groups.values(), ...this.#patterns.values()]
  }

  /** The group a deployment belongs to, whatever name it was reached by. */
  groupOf({ group }: Deployment): ModelGroup | undefined {
    return this.#groups.get(group) ?? this.#patterns.get(group)
  }

  /**
   * Groups behind a virtual name that a model may have answered for; none where the name is no virtual one.
   * @param model `vendor/model`
   */
  servedNames(name: string, model: string): readonly string[] {
    const group = this.resolve(name)
    if (group?.strategy === undefined) return []
    const served = group.deployments.filter(({ target }) => `${target.vendor.id}/${target.model}` === model)
    return [...new Set(served.map(own => own.group))]
  }

  #addById(deployment: Deployment): void {
    // What a wildcard's model is depends on the name asked for: its id alone calls for nothing.
    if (deployment.group.includes('*')) return
    this.#byId.set(deployment.id, { name: deployment.group, deployments: [deployment], direct: true })
  }

  #resolveWildcard(name: string): ModelGroup | undefined {
    if (this.#wildcards.length === 0 || name.length > maxNameLength) return undefined
    const cached = this.#cache.get(name)
    if (cached !== undefined) {
      this.#cache.delete(name)
      this.#cache.set(name, cached)
      return cached
    }
    for (const wildcard of this.#wildcards) {
      const captured = matchWildcard(wildcard, name)
      if (captured === undefined) continue
      const group: ModelGroup = {
        name,
        pattern: wildcard.pattern,
        deployments: wildcard.deployments.map(deployment => this.#specialise(deployment, name, captured)),
      }
      if (this.#cache.size >= this.#maxCached) {
        const oldest = this.#cache.keys().next()
        if (!oldest.done) this.#cache.delete(oldest.value)
      }
      this.#cache.set(name, group)
      return group
    }
    return undefined
  }

  #compileAliases(options: ModelIndexOptions): string[] {
    const aliasMap = new Map(Object.entries(options.aliasMap ?? {}))
    const groupAliases = new Map<string, string>()
    const shown: string[] = [...this.#groups.keys()]
    for (const [alias, target] of Object.entries(options.groupAliases ?? {})) {
      groupAliases.set(alias, typeof target === 'string' ? target : target.model)
      const hidden = typeof target !== 'string' && target.hidden === true
      const at = shown.indexOf(alias)
      // Hiding an alias hides the group it shadows as well: callers cannot reach that group by this name.
      if (hidden && at >= 0) shown.splice(at, 1)
      if (!hidden && at < 0) shown.push(alias)
    }
    for (const alias of aliasMap.keys()) {
      if (!shown.includes(alias)) shown.push(alias)
    }
    for (const name of options.virtualNames ?? []) if (!shown.includes(name)) shown.push(name)
    for (const alias of new Set([...aliasMap.keys(), ...groupAliases.keys()])) {
      this.#aliases.set(alias, this.#follow(alias, aliasMap, groupAliases))
    }
    return shown
  }

  /**
   * One hop through each map, as LiteLLM does it, so that two groups may even trade names; from there on, aliases of
   * aliases are followed until a group has the name.
   */
  #follow(alias: string, aliasMap: ReadonlyMap<string, string>, groupAliases: ReadonlyMap<string, string>): string {
    const mapped = aliasMap.get(alias) ?? alias
    let name = groupAliases.get(mapped) ?? mapped
    const path = [alias]
    while (!this.#groups.has(name)) {
      if (name === path[path.length - 1]) return name
      if (path.includes(name)) {
        throw new GatewayError(
          'config_invalid',
          `model_group_alias leads in a circle: ${[...path, name].join(' → ')}. Point one of them at a model_name.`,
          { param: 'router_settings.model_group_alias' },
        )
      }
      path.push(name)
      const next = groupAliases.get(name) ?? aliasMap.get(name)
      if (next === undefined) return name
      name = next
    }
    return name
  }
}

/**
 * A model_list entry written twice is one deployment. One id for two different upstreams is a mistake: they would share
 * statistics and cooldown, and a call by id would reach either.
 */
function unique(deployments: readonly Deployment[]): Deployment[] {
  const byId = new Map<string, Deployment>()
  for (const deployment of deployments) {
    const known = byId.get(deployment.id)
    if (known === undefined) {
      byId.set(deployment.id, deployment)
      continue
    }
    const same =
      known.group === deployment.group &&
      known.target.model === deployment.target.model &&
      known.target.origin === deployment.target.origin &&
      known.target.basePath === deployment.target.basePath
    if (same) continue
    throw new GatewayError(
      'config_invalid',
      `model_list: '${known.group}' and '${deployment.group}' have deployments with the same id '${deployment.id}'. Give each a model_info.id of its own.`,
      { param: 'model_list' },
    )
  }
  return [...byId.values()]
}
