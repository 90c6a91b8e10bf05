import type { VendorQuirks } from '../vendor-quirks.ts'
import type { Operation, Target } from '../wire.ts'
import { familyOf, type ModelFamily } from './model-family.ts'
import { isGatewayField } from './request-fields.ts'

/** Everything about a target that does not change from call to call, worked out once. */
export interface Plan {
  readonly vendorId: string
  /** As sent in the body. */
  readonly model: string
  readonly quirks: VendorQuirks
  readonly family: ModelFamily
  readonly target: Target
  readonly paths: Readonly<Record<'chat' | 'completions' | 'embeddings', string>>
  readonly headers: Readonly<Record<string, string>>
  /** `litellm_params` fields for the body, `extra_body` unfolded. */
  readonly defaults: readonly (readonly [key: string, value: unknown])[]
  readonly unsupportedParams: readonly string[]
  /** Fields any call may leave out or must send, as the deployment says. */
  readonly may: { readonly drop: boolean; readonly allowed: readonly string[] }
  readonly streamUsage: boolean
  /** `stream: true` is answered by one whole answer, replayed. */
  readonly fakeStream: boolean
  /** `false`: a JSON schema is asked for with a forced tool. */
  readonly jsonSchema: boolean
  readonly toolChoice: 'all' | 'no-required' | 'none'
  /** `false`: reasoning effort cannot be sent along with tools. */
  readonly effortWithTools: boolean
  /** OpenAI's own host: no server of someone else's behind the `openai/` prefix. */
  readonly firstParty: boolean
  /** Texts whose absence from a request body proves that its messages and tools can stay as they are. */
  readonly markers: readonly string[]
  /** The vendor's rules touch ordinary messages or tools, so they are always looked at. */
  readonly alwaysEditMessages: boolean
  readonly alwaysEditTools: boolean
}

/** What distinguishes one wire's addressing from another's; the rest of a plan is common. */
export interface Addressing {
  readonly model: string
  readonly paths: Plan['paths']
  readonly credential: Readonly<Record<string, string>>
  readonly streamUsage?: boolean
  readonly fakeStream?: boolean
  readonly jsonSchema?: boolean
  readonly toolChoice?: Plan['toolChoice']
  readonly effortWithTools?: boolean
}

export function planWith(target: Target, family: ModelFamily, addressing: Addressing): Plan {
  const { vendor, capabilities } = target
  const quirks = vendor.quirks ?? {}
  const elsewhere = isElsewhere(target)
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (target.organization !== undefined) headers['openai-organization'] = target.organization
  Object.assign(headers, addressing.credential)
  for (const [name, value] of Object.entries(target.extraHeaders)) headers[name.toLowerCase()] = value
  return {
    vendorId: vendor.id,
    model: addressing.model,
    quirks,
    family,
    target,
    paths: addressing.paths,
    headers,
    defaults: bodyDefaults(target.defaults),
    // `openai/…` with another host's api_base is some server's own model: what OpenAI rejects may be known there.
    unsupportedParams: elsewhere ? [] : (quirks.unsupportedParams ?? []),
    may: { drop: target.dropParams, allowed: target.allowedOpenaiParams },
    streamUsage: (addressing.streamUsage ?? true) && quirks.streamUsage !== false,
    fakeStream: addressing.fakeStream ?? capabilities.nativeStreaming === false,
    jsonSchema:
      addressing.jsonSchema ?? !(quirks.fakeStreamWithResponseFormat && capabilities.responseSchema === false),
    toolChoice: addressing.toolChoice ?? 'all',
    effortWithTools: addressing.effortWithTools ?? true,
    firstParty: quirks.openaiFamilies === true && !elsewhere,
    markers: markersOf(quirks),
    alwaysEditMessages:
      quirks.flattenTextContent !== undefined ||
      quirks.stripMessageName !== undefined ||
      quirks.stripNullFields === true ||
      quirks.dropEmptyAssistant === true ||
      quirks.flatFileParts === true ||
      quirks.toolCallIds !== undefined ||
      quirks.reasoningPlaceholder === true ||
      capabilities.systemMessages === false,
    alwaysEditTools:
      quirks.stripStrict === true || quirks.stripSchemaKeys !== undefined || quirks.functionToolsOnly === true,
  }
}

function isElsewhere({ vendor, origin }: Target): boolean {
  if (vendor.quirks?.openaiFamilies !== true || vendor.wire !== 'openai') return false
  if (vendor.baseUrl === undefined) return true
  return new URL(vendor.baseUrl).origin !== origin
}

function bodyDefaults(defaults: Readonly<Record<string, unknown>>): [string, unknown][] {
  const fields = new Map<string, unknown>()
  const add = (source: object) => {
    for (const [key, value] of Object.entries(source)) if (!isGatewayField(key)) fields.set(key, value)
  }
  const { extra_body: extra, ...rest } = defaults
  add(rest)
  if (typeof extra === 'object' && extra !== null && !Array.isArray(extra)) add(extra)
  return [...fields]
}

function markersOf(quirks: VendorQuirks): string[] {
  const markers: string[] = []
  if (quirks.keepForeignFields !== true) {
    // Short and a little too wide: a false hit costs one walk over the messages, each search costs the whole text.
    // Tool results are looked at for images and for ids that another vendor gave.
    markers.push('thinking', 'provider_specific_fields"', 'reasoning_', 'tool_call_id"')
  }
  if (quirks.keepCacheControl !== true) markers.push('cache_control"')
  if (quirks.developerRole !== true) markers.push('developer"')
  return markers
}

/** The openai wire's plan: `{base}/chat/completions` with a bearer token. */
export function openaiPlan(target: Target): Plan {
  const { vendor, model, capabilities } = target
  const quirks = vendor.quirks ?? {}
  const basePath = target.basePath === '' ? (quirks.basePath ?? '') : target.basePath
  const family = quirks.openaiFamilies
    ? familyOf(model, target.baseModel, capabilities)
    : familyOf('', undefined, capabilities)
  const sent = quirks.modelPrefix !== undefined && !model.includes('/') ? quirks.modelPrefix + model : model
  const credential: Record<string, string> = {}
  const key = target.bearerToken ?? target.apiKey
  if (key !== undefined) {
    if (quirks.apiKeyHeader !== undefined) credential[quirks.apiKeyHeader] = key.reveal()
    else credential['authorization'] = `Bearer ${key.reveal()}`
  }
  return planWith(target, family, {
    model: sent,
    paths: {
      chat: basePath + (quirks.chatPath ?? '/chat/completions'),
      completions: `${basePath}/completions`,
      embeddings: `${basePath}/embeddings`,
    },
    credential,
  })
}

/** Remembers each target's plan for as long as the target lives. */
export function cachedPlans(make: (target: Target) => Plan): (target: Target) => Plan {
  const plans = new WeakMap<Target, Plan>()
  return target => {
    let plan = plans.get(target)
    if (plan === undefined) {
      plan = make(target)
      plans.set(target, plan)
    }
    return plan
  }
}

export type PlannedOperation = keyof Plan['paths']

export function isPlanned(operation: Operation): operation is PlannedOperation {
  return operation === 'chat' || operation === 'completions' || operation === 'embeddings'
}
