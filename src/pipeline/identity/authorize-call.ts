import type { IncomingHttpHeaders } from 'node:http'
import type { Principal } from '../../governance/authentication/principal.ts'
import type { GuardedRoute } from '../../governance/authorization/permission.ts'
import type { CallOptions } from '../call.ts'
import type { Gateway } from '../gateway.ts'
import { type FallbackTarget, parseClientFallbacks } from '../routing/fallback-lists.ts'
import type { Attribution } from './attribution.ts'
import { authorizeModel } from './authorize-model.ts'
import { checkBody } from './body-rules.ts'
import { callFacts } from './call-facts.ts'

export interface Asked {
  readonly identity: Principal
  readonly route: GuardedRoute
  readonly address: string
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: IncomingHttpHeaders
  /** As the caller wrote it, and what its key makes of that. */
  readonly model: string
  readonly named: string
  readonly options: CallOptions
  readonly attribution: Attribution
}

/**
 * Whether the caller may make this very call: its model and those of its own fallbacks, what its body must and must not
 * say, and the policies.
 * @throws GatewayError 400 or 403 that says what is not allowed
 */
export function authorizeCall(gateway: Gateway, asked: Asked): void {
  const { snapshot, access } = gateway
  const { identity, route, address, body, headers, model, named, options, attribution } = asked
  authorizeModel(snapshot, identity, named)
  // A caller's own fallbacks are models it asks for.
  const fallbacks = options.fallbacks === undefined ? none : targetsOf(options.fallbacks)
  for (const target of fallbacks) authorizeModel(snapshot, identity, target.model)
  checkBody(snapshot.bodyRules, identity, body, headers, attribution)
  if (access.policies.length === 0) return
  access.atCall(identity, route, address, () => callFacts(snapshot, [model, named], body, attribution.tags))
  for (const { model: other, overrides } of fallbacks) {
    const json = overrides === undefined ? body : { ...body, ...overrides }
    access.atCall(identity, route, address, () => callFacts(snapshot, [other], json, attribution.tags))
  }
}

const none: readonly FallbackTarget[] = []

const targetsOf = (list: readonly unknown[]): FallbackTarget[] => [...parseClientFallbacks(list).values()].flat()
