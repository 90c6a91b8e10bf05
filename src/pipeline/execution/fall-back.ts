import { LimitExceeded } from '../../governance/limits/refusal.ts'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { NativeRequest } from '../../providers/wire.ts'
import type { Call } from '../call.ts'
import type { Gateway } from '../gateway.ts'
import { mayUse } from '../identity/authorize-model.ts'
import { reserveFallback } from '../reservation/reserve-call.ts'
import type { FallbackTarget } from '../routing/fallbacks.ts'
import { fallbacksAfter } from './call-fallbacks.ts'
import type { Outcome } from './outcome.ts'
import { type Stop, tryGroup } from './try-group.ts'

/**
 * Where a call begins: the group it asks for.
 * @throws GatewayError `model_not_found`
 */
export function firstStop(call: Call): Stop {
  const group = call.snapshot.router.resolve(call.model)
  if (group === undefined) throw unknownModel(call)
  // A virtual name is what was configured; the groups behind it only serve it.
  call.modelName = group.strategy === undefined ? group.deployments[0]?.group : group.name
  return { group, request: call.request }
}

/**
 * The group that was asked for could not answer: tries each fallback group in turn.
 * @throws GatewayError the last failure, when nobody answered.
 */
export async function fallBack(gateway: Gateway, call: Call, first: Stop, failure: GatewayError): Promise<Outcome> {
  // Limits of the caller are its own, whatever name it asked: no failure, and nothing to fall back from.
  if (failure instanceof LimitExceeded) throw failure
  const chain: FallbackTarget[] = []
  const visited = new Set<string>()
  let { group } = first
  let last = failure
  for (;;) {
    visited.add(group.name)
    // A fallback's own fallbacks come before the rest of the list it stands in.
    chain.unshift(...fallbacksAfter(call, group, last, visited))
    let stop = nextStop(call, chain)
    while (stop !== undefined) {
      const refusal = await reserveFallback(gateway, call, stop.group, stop.request)
      if (refusal === undefined) break
      last = refusal
      stop = nextStop(call, chain)
    }
    if (stop === undefined) break
    call.fallbacks++
    group = stop.group
    const result = await tryGroup(gateway, call, stop)
    if (!(result instanceof GatewayError)) {
      gateway.fellBack(first.group, group.name, true)
      return result
    }
    // A fallback that is closed to this call says less than the failure that led to it.
    if (result.code !== 'no_model_fits') last = result
  }
  if (call.fallbacks > 0) gateway.fellBack(first.group, call.hops[call.hops.length - 1]?.group ?? 'unknown', false)
  throw last
}

function unknownModel(call: Call): GatewayError {
  return new GatewayError(
    'model_not_found',
    `The model '${call.model.slice(0, 200)}' does not exist here. GET /v1/models lists the models you can use.`,
    { param: 'model' },
  )
}

/** The next fallback that names a known model, with its overrides laid over the caller's request. */
function nextStop(call: Call, chain: FallbackTarget[]): Stop | undefined {
  for (let target = chain.shift(); target !== undefined; target = chain.shift()) {
    const group = call.snapshot.router.resolve(target.model)
    if (group === undefined) continue
    if (call.snapshot.checkFallbacks && !mayUse(call.snapshot, call.identity, target.model)) continue
    return {
      group,
      request: target.overrides === undefined ? call.request : overridden(call, target.overrides),
    }
  }
  return undefined
}

/** @throws GatewayError when the request is no longer one with the overrides in it. */
function overridden({ door, request }: Call, overrides: Readonly<Record<string, unknown>>): NativeRequest {
  const json: Record<string, unknown> = { ...request.json, ...overrides }
  // Whether the answer comes in pieces was settled with the caller.
  if (request.json['stream'] === undefined) delete json['stream']
  else json['stream'] = request.json['stream']
  door.validate(json)
  return { ...request, json, text: JSON.stringify(json), bytes: undefined }
}
