/** Plain parameters of the hub → Anthropic's: lengths, sampling, stop, user, and the fields it does not know. */
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatRequest } from '../openai/types.ts'
import { isBlank } from './convert-content.ts'
import type { ParamPolicy } from './param-policy.ts'
import { isObject, type MessagesRequest, stringOr } from './types.ts'

const bad = (param: string, what: string): GatewayError =>
  new GatewayError('invalid_request', `${param} ${what}`, { param })

function numberOf(request: ChatRequest, field: string): number | undefined {
  const value = request[field]
  if (value === null || value === undefined) return undefined
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isFinite(number)) throw bad(field, 'must be a number.')
  return number
}

/** The caller's length limit; whole and at least 1. */
export function maxTokensOf(request: ChatRequest): number | undefined {
  const limit = numberOf(request, 'max_completion_tokens') ?? numberOf(request, 'max_tokens')
  return limit === undefined ? undefined : Math.max(1, Math.round(limit))
}

/**
 * OpenAI allows temperatures up to 2, Anthropic up to 1. While a model thinks it accepts no sampling settings, and the
 * newest models never do (`settable`).
 */
export function encodeSampling(
  request: ChatRequest,
  thinking: boolean,
  settable: boolean,
  body: MessagesRequest,
  policy: ParamPolicy,
): void {
  const temperature = numberOf(request, 'temperature')
  const topP = numberOf(request, 'top_p')
  const topK = numberOf(request, 'top_k')
  if (thinking || !settable) {
    const why = settable ? 'together with thinking is not accepted' : 'is not accepted for this model'
    // 1 is what happens anyway.
    if (temperature !== undefined && temperature !== 1)
      keepOrRefuse('temperature', clamp(temperature), why, body, policy)
    // While thinking, 0.95 and more is accepted (vendor's extended-thinking guide).
    if (topP !== undefined && topP < 1) {
      if (settable && topP >= 0.95) body.top_p = topP
      else keepOrRefuse('top_p', clamp(topP), why, body, policy)
    }
    if (topK !== undefined) keepOrRefuse('top_k', topK, why, body, policy)
    return
  }
  if (temperature !== undefined) body.temperature = clamp(temperature)
  if (topP !== undefined) {
    // Newer models refuse the pair; under drop_params the temperature is kept, as it is what callers tune.
    if (temperature !== undefined && policy.drops && !policy.allowed('top_p')) policy.note('top_p')
    else body.top_p = clamp(topP)
  }
  if (topK !== undefined) body.top_k = topK
}

function keepOrRefuse(field: string, value: number, why: string, body: MessagesRequest, policy: ParamPolicy): void {
  if (policy.allowed(field)) body[field] = value
  else policy.refuse(field, why)
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value))

export function encodeStop(request: ChatRequest, body: MessagesRequest, policy: ParamPolicy): void {
  const stop: unknown = request.stop
  if (stop === null || stop === undefined) return
  const list: unknown[] = Array.isArray(stop) ? stop : [stop]
  if (!list.every(entry => typeof entry === 'string')) throw bad('stop', 'must be a string or a list of strings.')
  // The vendor refuses sequences of white space; without drop_params it may say so itself.
  const kept = policy.drops ? list.filter(entry => !isBlank(entry)) : list
  if (kept.length < list.length) policy.note('stop')
  if (kept.length > 0) body.stop_sequences = kept
}

const email = /^[^@\s]{1,64}@[^@\s]{1,255}$/
const phone = /^\+?[\d\s().-]{7,20}$/

/** Anthropic asks for opaque ids: one that looks like an e-mail address or a phone number is personal data. */
export function encodeUser(request: ChatRequest, body: MessagesRequest): void {
  const metadata = isObject(request.metadata) ? request.metadata['user_id'] : undefined
  const user = request.user ?? metadata ?? request['safety_identifier']
  if (typeof user !== 'string' || user === '' || email.test(user) || phone.test(user)) return
  body.metadata = { user_id: user }
}

const tiers: ReadonlyMap<unknown, string> = new Map([
  ['auto', 'auto'],
  ['standard_only', 'standard_only'],
  ['default', 'standard_only'],
])

export function encodeServiceTier(request: ChatRequest, body: MessagesRequest, policy: ParamPolicy): void {
  const tier = request.service_tier
  if (tier === null || tier === undefined) return
  const known = tiers.get(tier)
  if (known !== undefined) body.service_tier = known
  else if (policy.allowed('service_tier')) body.service_tier = tier
  else policy.refuse('service_tier', `"${stringOr(tier).slice(0, 40)}" is not supported`)
}

/** OpenAI fields that Anthropic has no word for, and the values that mean what happens anyway. */
const unknown: Readonly<Record<string, (value: unknown) => boolean>> = {
  n: value => value === 1,
  seed: () => false,
  frequency_penalty: value => value === 0,
  presence_penalty: value => value === 0,
  logit_bias: value => isObject(value) && Object.keys(value).length === 0,
  logprobs: value => value === false,
  top_logprobs: value => value === 0,
  modalities: value => Array.isArray(value) && value.every(entry => entry === 'text'),
  audio: () => false,
  prediction: () => false,
  verbosity: value => value === 'medium',
  store: value => value === false,
}

/** Hints to OpenAI's own machinery: without effect on the answer, so never a reason to refuse. */
const hints = ['prompt_cache_key', 'prompt_cache_retention'] as const

export function refuseUnknown(request: ChatRequest, body: MessagesRequest, policy: ParamPolicy): void {
  for (const field in unknown) {
    const value = request[field]
    if (value === null || value === undefined || unknown[field]?.(value) === true) continue
    if (policy.allowed(field)) body[field] = value
    else policy.refuse(field)
  }
  for (const hint of hints) if (request[hint] != null) policy.note(hint)
}
