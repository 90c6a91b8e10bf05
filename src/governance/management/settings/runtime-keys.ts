import type { z } from 'zod'
import { generalSettings } from '../../../platform/config/general-settings.ts'
import { litellmSettings } from '../../../platform/config/litellm-settings.ts'
import { reliability, routerSettings } from '../../../platform/config/router-settings.ts'
import { type KeyInfo, sections } from '../../../platform/config/section.ts'

/** Sections of the configuration of which keys can be kept in the database. */
export const settableSections = ['general_settings', 'litellm_settings', 'router_settings'] as const
export type SettableSection = (typeof settableSections)[number]

const schemas: Readonly<Record<SettableSection, z.ZodObject>> = {
  general_settings: generalSettings,
  litellm_settings: litellmSettings,
  router_settings: routerSettings,
}

/** Of the general settings these few take effect while the gateway runs; the others are about how it starts. */
const runtimeGeneral: ReadonlySet<string> = new Set([
  'max_request_size_mb',
  'max_response_size_mb',
  'max_in_flight_requests_per_worker',
  'max_queued_requests_per_worker',
  'admission_queue_timeout_seconds',
  'completion_model',
  'embedding_model',
  'max_parallel_requests',
  'global_max_parallel_requests',
  'token_rate_limit_type',
  'fail_closed_budget_enforcement',
  'enforce_fallback_budget',
  'disable_budget_reservation',
  'enforced_params',
  'enforce_user_param',
  'service_account_settings',
  'user_header_name',
  'user_header_mappings',
  'reject_clientside_metadata_tags',
  'enforce_fallback_model_access',
  'default_team_disabled',
  'scope_spend_list_endpoints_to_caller',
  'cancel_on_disconnect',
])

/** Read once, when the gateway starts or its configuration is loaded. */
const fixed: Readonly<Record<Exclude<SettableSection, 'general_settings'>, (name: string) => boolean>> = {
  litellm_settings: name => /^(json_logs|set_verbose|store_audit_logs|scim_.*|.*audit_.*|s3_.*)$/.test(name),
  router_settings: name => name.startsWith('redis_'),
}

/** What has a way of its own. */
const elsewhere: Readonly<Record<string, string>> = {
  allowed_ips: 'use /add/allowed_ip and /delete/allowed_ip',
  master_key: 'it is never kept in the database',
}

export const schemaOf = (section: SettableSection, name: string): z.ZodType | undefined =>
  schemas[section].shape[name] as z.ZodType | undefined

export const infoOf = (section: SettableSection, name: string): KeyInfo | undefined =>
  sections.get(schemas[section])?.keys[name]

/** Keys that can be set while the gateway runs. */
export const runtimeKeys = (section: SettableSection): readonly string[] =>
  Object.keys(schemas[section].shape).filter(name => whyNot(section, name) === undefined)

/** Keys that LiteLLM takes in two sections, of which `router_settings` wins. */
export const isShared = (name: string): boolean => Object.hasOwn(reliability, name)

/**
 * Why a known key is not kept in the database: stored and without effect it would only mislead. Undefined: it can be, or
 * nobody knows it, which whoever checks its value says better.
 */
export function whyNot(section: SettableSection, name: string): string | undefined {
  const info = infoOf(section, name)
  if (info === undefined) return undefined
  const path = `${section}.${name}`
  if (info.status === 'ignored') return `'${path}' has no effect here: ${info.description}.`
  if (info.status === 'later') return `'${path}' is known, but this version does nothing with it; it was not stored.`
  const other = elsewhere[name]
  if (other !== undefined) return `'${path}' cannot be set here: ${other}.`
  const atStart = section === 'general_settings' ? !runtimeGeneral.has(name) : fixed[section](name)
  if (!atStart) return undefined
  return `'${path}' takes effect only from the config file; set it there, and restart where the reference says so.`
}
