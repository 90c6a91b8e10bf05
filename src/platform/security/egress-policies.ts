import { EgressPolicy, type EgressRules } from './egress-policy.ts'
import { type EgressPurpose, egressPurposes, untrustedPurposes } from './egress-purpose.ts'
import { dnsResolver, type Resolver } from './egress-resolver.ts'

export type EgressPolicies = Readonly<Record<EgressPurpose, EgressPolicy>>

/** The lists of one purpose, in the words of the config. */
export interface PurposeSettings {
  readonly allow_hosts?: readonly string[] | undefined
  readonly allow_cidrs?: readonly string[] | undefined
  readonly ports?: readonly number[] | undefined
  readonly only_listed?: boolean | undefined
}

/** `routeiq.egress`. */
export type EgressSettings = PurposeSettings & {
  readonly [P in EgressPurpose]?: PurposeSettings | undefined
} & { readonly dns_servers?: readonly string[] | undefined }

/** What the outbound door works by, until the config changes. */
export interface EgressConfiguration {
  readonly policies: EgressPolicies
  /** Undefined: the system's. */
  readonly resolver: Resolver | undefined
}

/** Where an image may lie, and where a webhook usually does. Others are opened by naming them. */
const usualPorts: Partial<Record<EgressPurpose, readonly number[]>> = {
  image_fetch: [80, 443],
  webhooks: [80, 443, 8080, 8443],
}

/** Loopback, because agents of EKS and App Service, and stand-ins for all of them, listen there. */
const machineIdentity = new EgressPolicy({
  allowHosts: [],
  allowCidrs: [
    '127.0.0.0/8',
    '::1/128',
    '169.254.169.254/32',
    '169.254.170.2/32',
    '169.254.170.23/32',
    'fd00:ec2::254/128',
    'fd00:ec2::23/128',
    'fd20:ce::254/128',
  ],
  onlyListed: true,
})

/**
 * @param ownHosts hosts of the gateway's own (the demo models), allowed for `providers`.
 * @throws GatewayError `config_invalid` that names the malformed entry.
 */
export function egressConfiguration(
  settings: EgressSettings = {},
  ownHosts: readonly string[] = [],
): EgressConfiguration {
  const { dns_servers: servers = [] } = settings
  return {
    policies: egressPolicies(settings, ownHosts),
    resolver: servers.length === 0 ? undefined : dnsResolver(servers),
  }
}

/**
 * The rules of every purpose. One that has a section of its own uses only that. Without one, a purpose whose addresses
 * the operator writes takes the common lists, and a purpose whose addresses come from others takes none.
 * @throws GatewayError `config_invalid` that names the malformed entry.
 */
export function egressPolicies(settings: EgressSettings = {}, ownHosts: readonly string[] = []): EgressPolicies {
  const policyOf = (purpose: EgressPurpose): EgressPolicy => {
    if (purpose === 'machine_identity') return machineIdentity
    const inherits = settings[purpose] === undefined && !untrustedPurposes.has(purpose)
    const own = inherits ? settings : (settings[purpose] ?? {})
    const rules: EgressRules = {
      allowHosts: [...(own.allow_hosts ?? []), ...(purpose === 'providers' ? ownHosts : [])],
      allowCidrs: own.allow_cidrs ?? [],
      ports: own.ports ?? usualPorts[purpose],
      onlyListed: own.only_listed,
    }
    return new EgressPolicy(rules, inherits ? 'routeiq.egress' : `routeiq.egress.${purpose}`)
  }
  return Object.fromEntries(egressPurposes.map(purpose => [purpose, policyOf(purpose)])) as Record<
    EgressPurpose,
    EgressPolicy
  >
}
