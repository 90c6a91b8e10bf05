import type { Kysely } from 'kysely'
import type { FallbackList } from '../../../platform/config/router-policies.ts'
import type { GatewayConfig } from '../../../platform/config/schema.ts'
import type { Tables } from '../../../platform/store/tables.ts'
import { isRecord, type Settings } from '../../objects/settings.ts'
import { type SettableSection, settableSections } from './runtime-keys.ts'
import { judgeSetting } from './setting-value.ts'
import { storedValue } from './stored-value.ts'

/** LiteLLM's kinds of fallback, and the list of the configuration each stands in. */
export const fallbackLists = {
  general: 'fallbacks',
  context_window: 'context_window_fallbacks',
  content_policy: 'content_policy_fallbacks',
} as const
export type FallbackType = keyof typeof fallbackLists
export const fallbackTypes = ['general', 'context_window', 'content_policy'] as const

/** What administrators have set through the API; it wins over the file. */
export interface StoredConfig {
  readonly sections: Readonly<Record<SettableSection, Settings>>
  /** Per kind: group → groups to try. Laid over the lists, group by group. */
  readonly fallbacks: Readonly<Record<FallbackType, Readonly<Record<string, readonly string[]>>>>
}

/** Names of the rows. */
export const sectionRow = (section: SettableSection): string => `config:${section}`
export const fallbackRow = 'config:fallbacks'

/** @throws StoreUnavailable */
export async function readStoredConfig(db: Kysely<Tables>): Promise<StoredConfig> {
  const [general, litellm, router, fallbacks] = await Promise.all([
    ...settableSections.map(section => storedValue(db, sectionRow(section))),
    storedValue(db, fallbackRow),
  ])
  return {
    sections: {
      general_settings: asRecord(general),
      litellm_settings: asRecord(litellm),
      router_settings: asRecord(router),
    },
    fallbacks: storedFallbacks(fallbacks),
  }
}

export const isEmpty = ({ sections, fallbacks }: StoredConfig): boolean =>
  [...Object.values(sections), ...Object.values(fallbacks)].every(record => Object.keys(record).length === 0)

/**
 * The configuration with the stored settings over those of the file. A setting this version does not take any more is
 * left out and named; the others hold.
 */
export function withStored(
  config: GatewayConfig,
  stored: StoredConfig,
  problem: (text: string) => void = () => undefined,
): GatewayConfig {
  const merged: GatewayConfig = { ...config }
  for (const section of settableSections) {
    const values: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(stored.sections[section])) {
      const judged = judgeSetting(section, name, value)
      if ('problem' in judged) problem(judged.problem)
      else values[name] = judged.value
    }
    if (Object.keys(values).length > 0) Object.assign(merged, { [section]: { ...config[section], ...values } })
  }
  return withFallbacks(merged, stored)
}

function withFallbacks(config: GatewayConfig, { fallbacks }: StoredConfig): GatewayConfig {
  const lists: Record<string, FallbackList> = {}
  for (const type of fallbackTypes) {
    const own = fallbacks[type]
    if (Object.keys(own).length === 0) continue
    const kept = listInForce(config, type).map(entry =>
      Object.fromEntries(Object.entries(entry).filter(([group]) => !Object.hasOwn(own, group))),
    )
    const added = Object.entries(own).map(([group, targets]) => ({ [group]: [...targets] }))
    lists[fallbackLists[type]] = [...kept.filter(entry => Object.keys(entry).length > 0), ...added]
  }
  return Object.keys(lists).length === 0
    ? config
    : { ...config, router_settings: { ...config.router_settings, ...lists } }
}

/** A list of fallbacks after precedence: `router_settings`, then `litellm_settings`. */
export function listInForce(
  { router_settings: router, litellm_settings: litellm }: GatewayConfig,
  type: FallbackType,
): FallbackList {
  const name = fallbackLists[type]
  return router[name] ?? litellm[name] ?? []
}

export function storedFallbacks(value: unknown): StoredConfig['fallbacks'] {
  const all = asRecord(value)
  const of = (type: FallbackType): Record<string, readonly string[]> =>
    Object.fromEntries(
      Object.entries(asRecord(all[type])).flatMap(([group, targets]) =>
        Array.isArray(targets) ? [[group, targets.filter(target => typeof target === 'string')]] : [],
      ),
    )
  return { general: of('general'), context_window: of('context_window'), content_policy: of('content_policy') }
}

const asRecord = (value: unknown): Settings => (isRecord(value) ? value : {})
