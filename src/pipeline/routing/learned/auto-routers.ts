import type { LearnedStrategyName } from '../../../platform/config/learned-strategies.ts'
import type { ModelListEntry } from '../../../platform/config/model-list.ts'
import type { GatewayConfig } from '../../../platform/config/schema.ts'
import type { Deployment } from '../../deployment.ts'
import type { ModelGroup, Strategy } from '../types.ts'
import { compileAutoRouter, compileComplexity, invalid } from './compile-rules.ts'
import type { PolicyExtras } from './route-policy.ts'

const prefix = 'auto_router/'

/** A `model_list` entry that is no upstream but a choice among others (LiteLLM). */
export const isAutoRouter = ({ litellm_params: { model } }: ModelListEntry): boolean => model.startsWith(prefix)

export interface AutoRouterContext {
  readonly deployments: readonly Deployment[]
  readonly strategy: (name: LearnedStrategyName, extras: PolicyExtras) => Strategy
  readonly warn: (text: string) => void
}

/** LiteLLM's complexity, adaptive and semantic routers as model groups. @throws GatewayError `config_invalid` */
export function autoRouterGroups({ model_list: list }: GatewayConfig, context: AutoRouterContext): ModelGroup[] {
  return list.filter(isAutoRouter).map(entry => groupOf(entry, context))
}

function groupOf({ model_name: name, litellm_params: params }: ModelListEntry, context: AutoRouterContext): ModelGroup {
  const kind = params.model.slice(prefix.length)
  const group = (models: readonly string[], strategy: LearnedStrategyName, extras: PolicyExtras): ModelGroup => ({
    name,
    deployments: deploymentsOf(name, models, context),
    strategy: context.strategy(strategy, { ...extras, salt: [name, params] }),
  })
  if (kind === 'complexity_router') {
    const complexity = compileComplexity(params.complexity_router_config ?? {}, params.complexity_router_default_model)
    return group([...new Set(Object.values(complexity.tiers).flat())], 'complexity', { complexity })
  }
  if (kind === 'adaptive_router') {
    const { available_models: models, weights } = params.adaptive_router_config ?? { available_models: [] }
    const quality = weights?.quality ?? 0.7
    const cost = weights?.cost ?? 0.3
    // Its cost score runs from 0 to 1 over the pool; ours is in units of the mean call, about four times as wide.
    const lambda = quality === 0 ? 100 : cost / quality / 4
    const fallback = params.adaptive_router_default_model
    const pool = fallback === undefined ? models : [...new Set([...models, fallback])]
    return group(pool, 'llmrouter-kumaraswamy-thompson', { lambda })
  }
  if (kind === 'quality_router') {
    throw invalid(
      `model_list: ${name}`,
      'auto_router/quality_router is not offered; use routeiq.routing with "preset: quality"',
    )
  }
  const intents = compileAutoRouter(params.auto_router_config, params.auto_router_config_path)
  const fallback = params.auto_router_default_model
  const models = intents.intents.flatMap(intent => intent.models)
  return group([...new Set(fallback === undefined ? models : [...models, fallback])], 'llmrouter-semantic-intent', {
    intents,
    defaultModel: fallback,
  })
}

function deploymentsOf(
  name: string,
  models: readonly string[],
  { deployments, warn }: AutoRouterContext,
): readonly Deployment[] {
  const groups = new Set(deployments.map(({ group }) => group))
  const missing = models.filter(model => !groups.has(model))
  if (missing.length > 0) warn(`${name}: no model group is called ${missing.map(model => `"${model}"`).join(', ')}`)
  const found = deployments.filter(({ group }) => models.includes(group))
  if (found.length === 0) throw invalid(`model_list: ${name}`, 'the router names no model group of this model_list')
  return found
}
