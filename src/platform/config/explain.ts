import type { LoadedConfig } from './load.ts'
import type { ModelListEntry } from './model-list.ts'
import { formatProblem } from './problem.ts'
import type { FallbackList } from './router-policies.ts'
import type { GatewayConfig } from './schema.ts'
import { type EffectiveSettings, effectiveSettings } from './settings.ts'

/**
 * What a config does, for people: `routeiq check`. Shows names, places and numbers; never a credential's value.
 * @param warnings one line each; by default those of loading alone.
 */
export function explainConfig(
  loaded: LoadedConfig,
  warnings: readonly string[] = loaded.warnings.map(formatProblem),
): string {
  const { config, files, hash } = loaded
  const settings = effectiveSettings(config)
  const parts = [
    `Config ${hash}${files.length === 0 ? '' : `, from ${files.join(', ')}`}`,
    groupsText(config),
    routingText(config, settings),
    fallbacksText(settings),
    serverText(config),
    warnings.length === 0
      ? 'No warnings.'
      : [
          `${warnings.length} warning${warnings.length === 1 ? '' : 's'}:`,
          ...warnings.map(warning => `  ${warning}`),
        ].join('\n'),
  ]
  return `${parts.filter(part => part !== '').join('\n\n')}\n`
}

function groupsText(config: GatewayConfig): string {
  const groups = Map.groupBy(config.model_list, entry => entry.model_name)
  const lines = [`${groups.size} model group${groups.size === 1 ? '' : 's'}:`]
  for (const [group, entries] of groups) {
    lines.push(`  ${group}`)
    for (const entry of entries) lines.push(`    - ${deploymentText(entry)}`)
  }
  const router = Object.entries(config.router_settings.model_group_alias ?? {})
  const aliases = [
    ...Object.entries(config.litellm_settings.model_alias_map ?? {}),
    ...router.map(
      ([alias, target]) =>
        [
          alias,
          typeof target === 'string' ? target : `${target.model}${target.hidden === true ? ' (hidden)' : ''}`,
        ] as const,
    ),
  ]
  for (const [alias, target] of aliases) lines.push(`  ${alias} → ${target}`)
  return lines.join('\n')
}

function deploymentText({ litellm_params: params, model_info: info }: ModelListEntry): string {
  const facts = [
    params.custom_llm_provider === undefined ? '' : `provider ${params.custom_llm_provider}`,
    originOf(params.api_base ?? params.base_url),
    params.api_key === undefined && params.azure_ad_token === undefined ? '' : 'own key',
    fact('order', params.order),
    fact('weight', params.weight),
    fact('rpm', params.rpm),
    fact('tpm', params.tpm),
    fact('parallel', params.max_parallel_requests),
    fact('timeout', params.timeout, ' s'),
    fact('retries', params.num_retries ?? params.max_retries),
    fact('id', info?.id),
    fact('priced as', info?.base_model),
  ].filter(text => text !== '')
  return [params.model, ...facts].join(', ')
}

const fact = (name: string, value: string | number | undefined, unit = '') =>
  value === undefined ? '' : `${name} ${value}${unit}`

/** Scheme and host only: a base URL may carry a credential in its user part or query. */
function originOf(url: string | undefined): string {
  if (url === undefined) return ''
  return URL.canParse(url) ? `at ${new URL(url).origin}` : 'at a custom address'
}

function routingText(config: GatewayConfig, settings: EffectiveSettings): string {
  const router = config.router_settings
  const lines = [
    'Routing:',
    `  strategy ${router.routing_strategy}`,
    `  ${settings.numRetries} retries per group, then at most ${settings.maxFallbacks} fallback groups`,
    router.disable_cooldowns
      ? '  failing deployments are never paused'
      : `  a deployment that fails more than ${settings.allowedFails} times a minute is paused for ${settings.cooldownTime} s`,
    `  calls end after ${settings.timeout} s, streamed ones after ${settings.streamTimeout} s`,
  ]
  if (router.ttft_timeout !== undefined) lines.push(`  the first token must come within ${router.ttft_timeout} s`)
  if (router.stream_idle_timeout !== undefined) lines.push(`  a stream may pause for ${router.stream_idle_timeout} s`)
  if (router.enable_pre_call_checks)
    lines.push('  deployments whose context window or features do not fit are left out')
  return lines.join('\n')
}

function fallbacksText(settings: EffectiveSettings): string {
  const lines: string[] = []
  const list = (title: string, fallbacks: FallbackList) => {
    for (const [group, targets] of fallbacks.flatMap(item => Object.entries(item))) {
      const names = targets.map(target => (typeof target === 'string' ? target : String(target['model'])))
      lines.push(`  ${title}: ${group} → ${names.join(' → ')}`)
    }
  }
  list('after retries', settings.fallbacks)
  list('prompt too long', settings.contextWindowFallbacks)
  list('refused by a safety filter', settings.contentPolicyFallbacks)
  if (settings.defaultFallbacks.length > 0) lines.push(`  every other group → ${settings.defaultFallbacks.join(' → ')}`)
  return lines.length === 0 ? 'No fallbacks.' : ['Fallbacks:', ...lines].join('\n')
}

function serverText(config: GatewayConfig): string {
  const { general_settings: general, routeiq } = config
  const limit = general.max_in_flight_requests_per_worker
  const open = [...routeiq.egress.allow_hosts, ...routeiq.egress.allow_cidrs]
  return [
    'Server:',
    general.master_key === undefined
      ? '  no master key in the config: LITELLM_MASTER_KEY is used, else one is generated at start'
      : '  master key set',
    `  request bodies up to ${general.max_request_size_mb} MB`,
    limit === undefined ? '' : `  ${limit} calls at a time, ${general.max_queued_requests_per_worker ?? 0} may wait`,
    open.length === 0 ? '  private addresses are refused' : `  private addresses allowed: ${open.join(', ')}`,
  ]
    .filter(line => line !== '')
    .join('\n')
}
