import { checkAudit } from './audit-checks.ts'
import { activeAlerting } from './limit-settings.ts'
import { activeAuditCallbacks, activeCallbacks } from './litellm-settings.ts'
import { nearestKey, reach } from './nearest-key.ts'
import type { Path, Problem } from './problem.ts'
import type { FallbackList } from './router-policies.ts'
import { activePreCallChecks } from './router-settings.ts'
import type { GatewayConfig } from './schema.ts'

type Report = (path: Path, message: string, severity: Problem['severity']) => void

/**
 * What no single key can tell: references between sections. `entry(i)` is the position in the file of `model_list[i]`
 * (entries that were skipped leave gaps).
 */
export function checkReferences(config: GatewayConfig, entry: (index: number) => number, report: Report): void {
  checkIds(config, entry, report)
  checkTargets(config, report)
  checkNamed(config, report)
  checkAudit(config, report)
  if (config.model_list.length === 0)
    report(['model_list'], 'no models: every call will be answered with 404', 'warning')
}

function checkIds(config: GatewayConfig, entry: (index: number) => number, report: Report) {
  const owners = new Map<string, number>()
  for (const [index, { model_info }] of config.model_list.entries()) {
    const id = model_info?.id
    if (id === undefined) continue
    const owner = owners.get(id)
    if (owner === undefined) owners.set(id, index)
    else
      report(
        ['model_list', entry(index), 'model_info', 'id'],
        `model_list[${entry(owner)}] has the same id; ids must differ`,
        'error',
      )
  }
}

function checkTargets(config: GatewayConfig, report: Report) {
  const groups = new Set(config.model_list.map(({ model_name }) => model_name))
  const ids = config.model_list.flatMap(({ model_info }) => model_info?.id ?? [])
  const { litellm_settings: litellm, router_settings: router } = config
  const aliases = [...Object.keys(litellm.model_alias_map ?? {}), ...Object.keys(router.model_group_alias ?? {})]
  const exact = new Set([...groups, ...aliases, ...ids])
  const patterns = [...groups].filter(group => group.includes('*')).map(wildcard)

  const check = (target: string, path: Path) => {
    if (exact.has(target) || patterns.some(pattern => pattern.test(target))) return
    const meant = nearestKey(target, exact, reach(target))
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    report(path, `no model group is called ${JSON.stringify(target.slice(0, 80))}${hint}`, 'warning')
  }
  const checkList = (list: FallbackList | undefined, path: Path) => {
    for (const [index, item] of (list ?? []).entries()) {
      for (const [group, targets] of Object.entries(item)) {
        if (group !== '*') check(group, [...path, index, group])
        for (const [position, target] of targets.entries()) {
          const model = typeof target === 'string' ? target : target['model']
          const at = [...path, index, group, position]
          if (typeof model === 'string') check(model, at)
          else report(at, 'a fallback written as a map needs `model`', 'error')
        }
      }
    }
  }
  for (const section of ['litellm_settings', 'router_settings'] as const) {
    const settings = config[section]
    for (const key of ['fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'] as const) {
      checkList(settings[key], [section, key])
    }
    for (const [index, target] of (settings.default_fallbacks ?? []).entries()) {
      check(target, [section, 'default_fallbacks', index])
    }
  }
  for (const [alias, target] of Object.entries(litellm.model_alias_map ?? {})) {
    check(target, ['litellm_settings', 'model_alias_map', alias])
  }
  for (const [alias, target] of Object.entries(router.model_group_alias ?? {})) {
    check(typeof target === 'string' ? target : target.model, ['router_settings', 'model_group_alias', alias])
  }
  const { completion_model, embedding_model } = config.general_settings
  if (completion_model !== undefined) check(completion_model, ['general_settings', 'completion_model'])
  if (embedding_model !== undefined) check(embedding_model, ['general_settings', 'embedding_model'])
}

/** Lists whose members are active one by one. */
function checkNamed(config: GatewayConfig, report: Report) {
  const inactive = (path: Path, list: readonly string[] | undefined, active: ReadonlySet<string>) => {
    for (const [index, name] of (list ?? []).entries()) {
      if (!active.has(name))
        report(
          [...path, index],
          `${JSON.stringify(name.slice(0, 80))}: known, not active yet in this version`,
          'warning',
        )
    }
  }
  for (const key of ['callbacks', 'success_callback', 'failure_callback', 'service_callback'] as const) {
    inactive(['litellm_settings', key], config.litellm_settings[key], activeCallbacks)
  }
  inactive(['general_settings', 'alerting'], config.general_settings.alerting, activeAlerting)
  const { audit_log_callbacks } = config.litellm_settings
  inactive(['litellm_settings', 'audit_log_callbacks'], audit_log_callbacks, activeAuditCallbacks)
  const checks = config.router_settings.optional_pre_call_checks
  inactive(['router_settings', 'optional_pre_call_checks'], checks, activePreCallChecks)
}

/** `openai/gpt-4*` as a pattern over whole names. */
function wildcard(pattern: string): RegExp {
  return new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`, 's')
}

function literal(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
}
