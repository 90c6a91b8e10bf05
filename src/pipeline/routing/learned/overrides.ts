import type { IncomingHttpHeaders } from 'node:http'
import { isPreset, type Preset, presetNames } from '../../../learning/objective/presets.ts'
import type { Target } from '../../../learning/objective/solve.ts'
import type { Overridable } from '../../../platform/config/learned-routing-settings.ts'
import { GatewayError } from '../../../platform/errors/gateway-error.ts'
import { isProfile, type Profile, profileNames } from './profiles.ts'

/** What a caller demands of the routing of one call. */
export interface RoutingOverrides {
  readonly lambda?: number
  readonly preset?: Preset
  readonly target?: Target
  readonly profile?: Profile
  /** US dollars. */
  readonly maxCost?: number
  /** Milliseconds. */
  readonly maxLatency?: number
  readonly allowedModels?: readonly string[]
  readonly session?: string
  readonly region?: string
}

export const noOverrides: RoutingOverrides = {}

const maxModels = 64
const maxLength = 256

/**
 * From `x-routeiq-*` headers and the body's `routeiq` field; a header wins. RouteIQ's `metadata.routing_profile` is read
 * as well.
 * @throws GatewayError `invalid_request` for what is malformed or what the operator does not leave to callers.
 */
export function routingOverrides(
  json: Readonly<Record<string, unknown>>,
  headers: IncomingHttpHeaders,
  allowed: ReadonlySet<Overridable>,
): RoutingOverrides {
  const own = record(json['routeiq'])
  const inMetadata = record(json['metadata'])?.['routing_profile']
  let found: Record<string, unknown> | undefined
  const take = (key: Overridable, header: string, inBody: unknown): unknown => {
    const value = headers[header] ?? inBody
    if (value === undefined || value === null) return undefined
    if (!allowed.has(key)) {
      throw invalid(key, `'${key}' is not left to callers here (routeiq.routing.allow_overrides).`)
    }
    found ??= {}
    return value
  }
  const lambda = number('lambda', take('lambda', 'x-routeiq-lambda', own?.['lambda']))
  const preset = named('preset', take('preset', 'x-routeiq-preset', own?.['preset']), isPreset, presetNames)
  const target = targetOf(take('target', 'x-routeiq-target', own?.['target']))
  const profile = named(
    'profile',
    take('profile', 'x-routeiq-profile', own?.['profile'] ?? inMetadata),
    isProfile,
    profileNames,
  )
  const maxCost = number('max_cost', take('max_cost', 'x-routeiq-max-cost', own?.['max_cost']))
  const maxLatency = number('max_latency', take('max_latency', 'x-routeiq-max-latency', own?.['max_latency']))
  const allowedModels = list(take('allowed_models', 'x-routeiq-allowed-models', own?.['allowed_models']))
  const session = text('session', take('session', 'x-routeiq-session', own?.['session']))
  const region = text('region', take('region', 'x-routeiq-region', own?.['region']))
  if (found === undefined) return noOverrides
  return {
    ...(lambda === undefined ? {} : { lambda }),
    ...(preset === undefined ? {} : { preset }),
    ...(target === undefined ? {} : { target }),
    ...(profile === undefined ? {} : { profile }),
    ...(maxCost === undefined ? {} : { maxCost }),
    ...(maxLatency === undefined ? {} : { maxLatency }),
    ...(allowedModels === undefined ? {} : { allowedModels }),
    ...(session === undefined ? {} : { session }),
    ...(region === undefined ? {} : { region }),
  }
}

/** `max_cost_per_1k=1.5`, `min_quality_of=gpt-4o:0.97`, `max_strong_share=gpt-4o:0.3`, or the same as a map. */
function targetOf(value: unknown): Target | undefined {
  if (value === undefined) return undefined
  const [kind, rest] = typeof value === 'string' ? split(value, '=') : (Object.entries(record(value) ?? {})[0] ?? [])
  if (kind === 'max_cost_per_1k') {
    const dollars = number('target', rest)
    if (dollars !== undefined) return { kind, dollars }
  }
  if (kind === 'min_quality_of' || kind === 'max_strong_share') {
    const [model, shareText] =
      typeof rest === 'string' ? split(rest, ':') : [record(rest)?.['model'], record(rest)?.['share']]
    const share = number('target', shareText)
    if (typeof model === 'string' && model !== '' && share !== undefined && share <= 1) return { kind, model, share }
  }
  throw invalid(
    'target',
    "'target' must be max_cost_per_1k=<dollars>, min_quality_of=<model>:<share> or max_strong_share=<model>:<share>.",
  )
}

function split(value: string, at: string): [string, string] {
  const place = value.lastIndexOf(at)
  return place < 0 ? [value, ''] : [value.slice(0, place), value.slice(place + 1)]
}

function number(key: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof parsed === 'number' && parsed >= 0 && Number.isFinite(parsed)) return parsed
  throw invalid(key, `'${key}' must be a number of 0 or more.`)
}

function text(key: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value !== '' && value.length <= maxLength) return value
  throw invalid(key, `'${key}' must be a text of 1 to ${maxLength} characters.`)
}

function list(value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined
  const names = typeof value === 'string' ? value.split(',').map(name => name.trim()) : value
  if (Array.isArray(names) && names.length > 0 && names.length <= maxModels && names.every(isName)) return names
  throw invalid('allowed_models', `'allowed_models' must be a list of 1 to ${maxModels} model names.`)
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= maxLength

function named<T extends string>(
  key: string,
  value: unknown,
  is: (name: string) => name is T,
  names: readonly T[],
): T | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && is(value)) return value
  throw invalid(key, `'${key}' must be one of ${names.join(', ')}.`)
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
}

const invalid = (key: string, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param: `routeiq.${key}` })
