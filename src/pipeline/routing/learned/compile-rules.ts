import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ComplexityScorer, defaultComplexity, dimensions, tiers } from '../../../learning/rules/complexity.ts'
import { defaultThreshold, type Intent, IntentMatcher } from '../../../learning/rules/intents.ts'
import type { RequestRule } from '../../../learning/rules/request-rules.ts'
import type {
  ComplexityRouterSettings,
  IntentSettings,
  RuleSettings,
} from '../../../platform/config/learned-routing-settings.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import type { ComplexityPolicy } from './route-policy.ts'

/** @throws GatewayError `config_invalid` for a pattern that is none */
export function compileRules(rules: readonly RuleSettings[]): RequestRule[] {
  return rules.map(({ name, tags, pattern, user_agents: agents, models }) => {
    if (tags === undefined && pattern === undefined && agents === undefined) {
      throw invalid('routeiq.routing.rules', `rule "${name}" needs tags, pattern or user_agents`)
    }
    return {
      name,
      tags,
      pattern: pattern === undefined ? undefined : compilePattern(name, pattern),
      userAgents: agents?.map(part => part.toLowerCase()),
      models,
    }
  })
}

function compilePattern(rule: string, pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'iu')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw invalid('routeiq.routing.rules', `rule "${rule}": ${why}`)
  }
}

export function compileIntents(intents: readonly IntentSettings[]): IntentMatcher | undefined {
  if (intents.length === 0) return undefined
  return new IntentMatcher(
    intents.map(({ name, models, examples, threshold }) => ({
      name,
      models,
      examples,
      threshold: threshold ?? defaultThreshold,
    })),
  )
}

/** LiteLLM's semantic routes, inline or in a file. A route's name is the model group it goes to. */
export function compileAutoRouter(
  inline: string | Readonly<Record<string, unknown>> | undefined,
  path: string | undefined,
): IntentMatcher {
  const at = 'litellm_params.auto_router_config'
  let data: unknown = inline
  try {
    if (inline === undefined && path !== undefined) data = JSON.parse(readFileSync(resolve(path), 'utf8'))
    else if (typeof inline === 'string') data = JSON.parse(inline)
  } catch (error) {
    throw invalid(at, `cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const routes = (data as { routes?: unknown } | undefined)?.routes
  if (!Array.isArray(routes) || routes.length === 0) {
    throw invalid(at, 'needs routes: [{"name": <model group>, "utterances": [<example>, …]}]')
  }
  return new IntentMatcher(routes.map(route => asIntent(route, at)))
}

function asIntent(route: unknown, at: string): Intent {
  const { name, utterances, score_threshold: stated } = (route ?? {}) as Record<string, unknown>
  if (typeof name !== 'string' || !Array.isArray(utterances) || !utterances.every(text => typeof text === 'string')) {
    throw invalid(at, 'a route needs name (a model group) and utterances (examples)')
  }
  // Thresholds are made for the likenesses of a neural embedding, which are all high; by words, most are low.
  const threshold = typeof stated === 'number' ? Math.min(stated, defaultThreshold) : defaultThreshold
  return { name, models: [name], examples: utterances, threshold }
}

/** LiteLLM's complexity router. Tiers without models go to the default. */
export function compileComplexity(
  settings: ComplexityRouterSettings,
  defaultModel: string | undefined,
): ComplexityPolicy {
  const at = 'litellm_params.complexity_router_config'
  for (const name of Object.keys(settings.dimension_weights ?? {})) {
    if (!(dimensions as readonly string[]).includes(name)) {
      throw invalid(`${at}.dimension_weights`, `"${name}" is no dimension; they are ${dimensions.join(', ')}`)
    }
  }
  const boundaries = settings.tier_boundaries
  const tokens = settings.token_thresholds
  const fallback = settings.default_model ?? defaultModel
  const models: Record<string, readonly string[]> = {}
  for (const tier of tiers) {
    const own = settings.tiers?.[tier]
    const groups = own === undefined ? [] : typeof own === 'string' ? [own] : own
    models[tier] = [...new Set(fallback === undefined ? groups : [...groups, fallback])]
  }
  const technical = settings.technical_keywords ?? defaultComplexity.technicalWords
  const scorer = new ComplexityScorer({
    weights: { ...defaultComplexity.weights, ...settings.dimension_weights },
    boundaries: {
      medium: boundaries?.simple_medium ?? defaultComplexity.boundaries.medium,
      complex: boundaries?.medium_complex ?? defaultComplexity.boundaries.complex,
      reasoning: boundaries?.complex_reasoning ?? defaultComplexity.boundaries.reasoning,
    },
    tokens: {
      simple: tokens?.simple ?? defaultComplexity.tokens.simple,
      complex: tokens?.complex ?? defaultComplexity.tokens.complex,
    },
    codeWords: settings.code_keywords ?? defaultComplexity.codeWords,
    reasoningWords: settings.reasoning_keywords ?? defaultComplexity.reasoningWords,
    technicalWords: [...technical, ...(settings.custom_technical_keywords ?? [])],
    simpleWords: settings.simple_keywords ?? defaultComplexity.simpleWords,
    wordTiers: [
      { words: settings.escalation_keywords ?? ['LITELLM ESCALATE'], tier: 'REASONING' },
      ...(settings.keyword_tier_rules ?? []).map(({ keywords, tier }) => ({ words: keywords, tier })),
    ],
  })
  return { scorer, tiers: models }
}

export const invalid = (key: string, message: string): GatewayError =>
  new GatewayError('config_invalid', `${key}: ${message}.`, { param: key })
