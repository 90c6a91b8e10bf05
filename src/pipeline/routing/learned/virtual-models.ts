import { isPreset, type Preset, presetNames } from '../../../learning/objective/presets.ts'
import type { Target } from '../../../learning/objective/solve.ts'
import { type LearnedStrategyName, learnedStrategies } from '../../../platform/config/learned-strategies.ts'
import { isProfile, type Profile, profileNames } from './profiles.ts'

/** What a model name asks for that no model has. */
export interface VirtualName {
  /** A route of the configuration; undefined: the default one. */
  readonly route?: string
  readonly strategy?: LearnedStrategyName
  readonly preset?: Preset
  readonly profile?: Profile
  /** RouteLLM's pair. */
  readonly strongShare?: number
}

/** Shown by /v1/models: the ones people would look for. */
export const shownNames: readonly string[] = ['auto', ...presetNames.map(name => `auto:${name}`)]

const routeLlm = /^router-([a-z_]+)-(0(?:\.\d+)?|1(?:\.0+)?|\.\d+)$/

/** RouteLLM's routers by what comes nearest to them here. */
const routeLlmMethods: Readonly<Record<string, LearnedStrategyName>> = {
  mf: 'llmrouter-mf',
  knn: 'llmrouter-knn',
  svm: 'llmrouter-svm',
  mlp: 'llmrouter-mlp',
  elo: 'llmrouter-elo',
  // Similarity-weighted battles: neighbours; the two that need a network of their own: the average.
  sw_ranking: 'llmrouter-knn',
  bert: 'routeiq-auto',
  causal_llm: 'routeiq-auto',
  auto: 'routeiq-auto',
}

/**
 * Reads `auto`, `auto:cheap`, `auto:eco`, `eco`, `routeiq-auto`, `router/<route or strategy>`, `router-mf-0.12`.
 * @param routes names of the configuration @returns undefined: the name asks for none of this
 */
export function readVirtualName(name: string, routes: ReadonlySet<string>): VirtualName | undefined {
  if (name === 'auto') return {}
  if (isProfile(name)) return { profile: name }
  if (name === 'routeiq-auto') return { strategy: 'routeiq-auto' }
  if (name.startsWith('auto:')) {
    const rest = name.slice(5)
    if (isPreset(rest)) return { preset: rest }
    return isProfile(rest) ? { profile: rest } : undefined
  }
  if (name.startsWith('router/')) {
    const rest = name.slice(7)
    if (routes.has(rest)) return { route: rest }
    const strategy = learnedStrategies.find(own => own === rest || own === `llmrouter-${rest}`)
    return strategy === undefined ? undefined : { strategy }
  }
  const parts = routeLlm.exec(name)
  const strategy = routeLlmMethods[parts?.[1] ?? '']
  return strategy === undefined ? undefined : { strategy, strongShare: Number(parts?.[2]) }
}

/** RouteLLM's number, as this gateway reads it: the wanted share of calls to the strong model. */
export const strongShare = (share: number, strong: string | undefined): Target => ({
  kind: 'max_strong_share',
  model: strong ?? '',
  share,
})

/** Every name but those of routes, for telling a reference from a misspelling. */
export const isVirtualName = (name: string): boolean => readVirtualName(name, new Set()) !== undefined

export { profileNames }
