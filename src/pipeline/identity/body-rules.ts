import type { IncomingHttpHeaders } from 'node:http'
import type { Principal } from '../../governance/authentication/principal.ts'
import { isRecord } from '../../governance/objects/settings.ts'
import type { GeneralSettings } from '../../platform/config/general-settings.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { Attribution } from './attribution.ts'

type Body = Readonly<Record<string, unknown>>

/** What the operator demands of every body, or does not leave to callers. */
export interface BodyRules {
  /** `general_settings.enforced_params` */
  readonly required: readonly string[]
  /** `service_account_settings.enforced_params` */
  readonly requiredOfServiceAccounts: readonly string[]
  /** `enforce_user_param` */
  readonly endUser: boolean
  /** `reject_clientside_metadata_tags` */
  readonly noTags: boolean
  /** `routeiq.restrict_caller_switches` */
  readonly noSwitches: boolean
}

/** Undefined: nothing is demanded, and nobody looks. */
export function compileBodyRules(general: GeneralSettings, noSwitches: boolean): BodyRules | undefined {
  const rules: BodyRules = {
    required: general.enforced_params ?? [],
    requiredOfServiceAccounts: general.service_account_settings?.enforced_params ?? [],
    endUser: general.enforce_user_param === true,
    noTags: general.reject_clientside_metadata_tags === true,
    noSwitches,
  }
  const idle =
    rules.required.length + rules.requiredOfServiceAccounts.length === 0 &&
    !rules.endUser &&
    !rules.noTags &&
    !rules.noSwitches
  return idle ? undefined : rules
}

/**
 * Body fields by which a caller changes how the gateway treats its call, each with LiteLLM's word for the permission where
 * it has one.
 */
const switches: Readonly<Record<string, string | undefined>> = {
  drop_params: undefined,
  additional_drop_params: undefined,
  allowed_openai_params: undefined,
  modify_params: undefined,
  mock_response: 'allow_client_mock_response',
  mock_tool_calls: 'allow_client_mock_response',
  mock_timeout: 'allow_client_mock_response',
  mock_testing_fallbacks: undefined,
  mock_testing_context_fallbacks: undefined,
  mock_testing_content_policy_fallbacks: undefined,
  mock_testing_rate_limit_error: undefined,
  disable_fallbacks: undefined,
  'no-log': 'allow_client_message_redaction_opt_out',
  turn_off_message_logging: 'allow_client_message_redaction_opt_out',
  disable_global_guardrails: undefined,
  router_settings_override: undefined,
  user_config: undefined,
}

/** @throws GatewayError that names the field */
export function checkBody(
  rules: BodyRules | undefined,
  principal: Principal,
  body: Body,
  headers: IncomingHttpHeaders,
  { endUser }: Attribution,
): void {
  demand(principal.enforcedParams, body, 'the key')
  if (rules === undefined) return
  demand(rules.required, body, 'general_settings.enforced_params')
  if (isServiceAccount(principal)) demand(rules.requiredOfServiceAccounts, body, 'service_account_settings')
  if (rules.endUser && endUser === undefined) {
    throw new GatewayError('missing_field', "'user' is required here: name the end user the call is for.", {
      param: 'user',
    })
  }
  if (rules.noTags && principal.metadata['allow_client_tags'] !== true) refuseTags(body, headers)
  if (rules.noSwitches) refuseSwitches(body, principal, '')
}

function demand(names: readonly string[], body: Body, by: string): void {
  for (const name of names) {
    if (valueAt(body, name) !== undefined) continue
    throw new GatewayError('missing_field', `'${name}' is required here (${by}).`, { param: name })
  }
}

/** `metadata.trace_id`; null and empty text are no values. */
function valueAt(body: Body, path: string): unknown {
  let value: unknown = body
  for (const part of path.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, part)) return undefined
    value = value[part]
  }
  return value === null || value === '' ? undefined : value
}

const isServiceAccount = ({ metadata }: Principal): boolean => typeof metadata['service_account_id'] === 'string'

function refuseTags(body: Body, headers: IncomingHttpHeaders): void {
  const carrier =
    headers['x-litellm-tags'] !== undefined
      ? 'x-litellm-tags'
      : ['tags', 'metadata.tags', 'litellm_metadata.tags'].find(path => valueAt(body, path) !== undefined)
  if (carrier === undefined) return
  throw new GatewayError(
    'invalid_request',
    `'${carrier}' is not allowed: tags come from keys and teams here (reject_clientside_metadata_tags).`,
    { param: carrier },
  )
}

function refuseSwitches(body: Body, { metadata }: Principal, place: string): void {
  const granted = metadata['allow_caller_switches']
  if (granted === true) return
  const allowed = new Set(Array.isArray(granted) ? granted : [])
  for (const [name, permission] of Object.entries(switches)) {
    if (!Object.hasOwn(body, name) || allowed.has(name)) continue
    if (permission !== undefined && metadata[permission] === true) continue
    throw new GatewayError(
      'permission_denied',
      `'${place}${name}' is the operator's to set here (restrict_caller_switches). Leave it out, or ask for a key that may.`,
      { param: place + name },
    )
  }
  // A fallback may bring fields of its own, which would be laid over the body.
  const { fallbacks } = body
  if (place === '' && Array.isArray(fallbacks)) {
    for (const overrides of nestedMaps(fallbacks)) refuseSwitches(overrides, { metadata } as Principal, 'fallbacks.')
  }
}

function nestedMaps(list: readonly unknown[]): Body[] {
  return list.flatMap(entry => {
    if (!isRecord(entry)) return []
    const inner = Object.values(entry).flatMap(value => (Array.isArray(value) ? value : []))
    return [entry, ...inner.filter(isRecord)]
  })
}
