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
  /** Alias → what it stands for in the end. */
  readonly #aliases = new Map<string, string>()
  readonly #publicNames: readonly string[]
  readonly #specialise: ModelIndexOptions['specialise']
  readonly #maxCached: number
  /** Least recently used first. */
  readonly #cache = new Map<string, ModelGroup>()

  /** @throws GatewayError `config_invalid` for aliases that lead in a circle, or two deployments with one id. */
  constructor(deployments: readonly Deployment[], options: ModelIndexOptions) {
    this.#specialise = options.specialise
    this.#maxCached = options.maxCached ?? 1000
    const members = new Map<string, Deployment[]>()
    for (const deployment of deployments) {
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
    this.#publicNames = this.#compileAliases(options)
  }

  /** Alias → group → deployment id → most specific wildcard. Undefined: no such model. */
  resolve(requested: string): ModelGroup | undefined {
    const name = this.#aliases.size === 0 ? requested : (this.#aliases.get(requested) ?? requested)
    return this.#groups.get(name) ?? this.#byId.get(name) ?? this.#resolveWildcard(name)
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
    const wildcards = this.#wildcards.map(({ pattern, deployments }) => ({ name: pattern, deployments, pattern }))
    return [...this.#groups.values(), ...wildcards]
  }

  #addById(deployment: Deployment): void {
    if (this.#byId.has(deployment.id)) {
      throw new GatewayError(
        'config_invalid',
        `model_list: two deployments have the id '${deployment.id}'. Remove the duplicate or give one a model_info.id of its own.`,
        { param: 'model_list' },
      )
    }
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
    const first = new Map(Object.entries(options.aliasMap ?? {}))
    const second = new Map<string, string>()
    const shown: string[] = [...this.#groups.keys()]
    for (const [alias, target] of Object.entries(options.groupAliases ?? {})) {
      second.set(alias, typeof target === 'string' ? target : target.model)
      const hidden = typeof target !== 'string' && target.hidden === true
      const at = shown.indexOf(alias)
      // Hiding an alias hides the group it shadows as well: callers cannot reach that group by this name.
      if (hidden && at >= 0) shown.splice(at, 1)
      if (!hidden && at < 0) shown.push(alias)
    }
    for (const alias of first.keys()) {
      if (!shown.includes(alias)) shown.push(alias)
    }
    for (const alias of new Set([...first.keys(), ...second.keys()])) {
      const target = follow(alias, name => first.get(name) ?? second.get(name))
      if (target !== alias) this.#aliases.set(alias, target)
    }
    return shown
  }
}

/** The end of a chain of aliases. An alias for itself is its end. */
function follow(alias: string, next: (name: string) => string | undefined): string {
  const path = [alias]
  for (let name = alias; ; ) {
    const target = next(name)
    if (target === undefined || target === name) return name
    if (path.includes(target)) {
      throw new GatewayError('config_invalid', `model_group_alias leads in a circle: ${[...path, target].join(' → ')}.`, {
        param: 'router_settings.model_group_alias',
      })
    }
    path.push(target)
    name = target
  }
}
