import { AddressList } from './address-list.ts'
import { type Policy, PolicyInvalid } from './policy.ts'
import { type CompiledPolicy, compilePolicy } from './policy-set.ts'

/** What the configuration says of who may come in, beyond keys and roles. */
export interface WrittenAccess {
  readonly policies: readonly Policy[]
  /** `general_settings.allowed_ips`; undefined: every address. */
  readonly allowedIps: readonly string[] | undefined
  /** `general_settings.allowed_routes`; empty: every route. */
  readonly allowedRoutes: readonly string[]
  readonly adminOnlyRoutes: readonly string[]
  readonly publicRoutes: readonly string[]
}

export interface AccessSettings {
  readonly policies: readonly CompiledPolicy[]
  /** Undefined: no list in the configuration. */
  readonly addresses: AddressList | undefined
  readonly allowedRoutes: readonly string[]
  readonly adminOnlyRoutes: readonly string[]
  readonly publicRoutes: readonly string[]
}

export const openAccess: AccessSettings = {
  policies: [],
  addresses: undefined,
  allowedRoutes: [],
  adminOnlyRoutes: [],
  publicRoutes: [],
}

/** @throws PolicyInvalid that names the place in the configuration */
export function compileAccess(written: WrittenAccess): AccessSettings {
  if (written.allowedIps?.length === 0) {
    throw new PolicyInvalid('general_settings.allowed_ips', 'is empty, so nobody could call; leave it out to allow all')
  }
  return {
    policies: compilePolicies(written.policies, 'config', index => `routeiq.access_policies[${index}]`),
    addresses:
      written.allowedIps === undefined
        ? undefined
        : new AddressList(written.allowedIps, 'general_settings.allowed_ips'),
    allowedRoutes: written.allowedRoutes,
    adminOnlyRoutes: written.adminOnlyRoutes,
    publicRoutes: written.publicRoutes.map(routeGroup),
  }
}

/** LiteLLM writes its groups `LiteLLMRoutes.public_routes` in some lists. */
const routeGroup = (entry: string): string => entry.replace(/^LiteLLMRoutes\./, '')

/** The policies that are in use, in order. @throws PolicyInvalid */
export function compilePolicies(
  policies: readonly Policy[],
  source: CompiledPolicy['source'],
  place: (index: number) => string,
): readonly CompiledPolicy[] {
  const names = new Set<string>()
  return policies.flatMap((policy, index) => {
    if (names.has(policy.name)) throw new PolicyInvalid(`${place(index)}.name`, `is taken: ${policy.name}`)
    names.add(policy.name)
    try {
      const compiled = compilePolicy(policy, source)
      return policy.enabled === false ? [] : [compiled]
    } catch (error) {
      if (error instanceof PolicyInvalid) throw new PolicyInvalid(`${place(index)}.${error.param}`, error.reason)
      throw error
    }
  })
}
