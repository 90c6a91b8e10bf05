import { type AccessSettings, compileAccess } from '../governance/authorization/policy/access-settings.ts'
import { PolicyInvalid } from '../governance/authorization/policy/policy.ts'
import { TrustedProxies } from '../governance/authorization/trusted-proxies.ts'
import type { BodyOptions } from '../governance/ledger/bodies/bodies.ts'
import type { Overridable } from '../platform/config/learned-routing-settings.ts'
import type { LoadedConfig } from '../platform/config/load.ts'
import type { Environment } from '../platform/config/prepare.ts'
import { formatProblem } from '../platform/config/problem.ts'
import type { GatewayConfig } from '../platform/config/schema.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { type EgressConfiguration, egressConfiguration } from '../platform/security/egress-policies.ts'
import type { EgressPolicy } from '../platform/security/egress-policy.ts'
import type { Secret } from '../platform/security/secret.ts'
import type { PriceBook } from '../providers/price-book.ts'
import { laterVendorOf } from '../providers/vendors.ts'
import { keptBodies } from './accounting/kept-bodies.ts'
import type { AdmissionLimits } from './admission/admission.ts'
import { type CompileContext, compileDeployment, forRequestedModel } from './compile-deployment.ts'
import type { Deployment } from './deployment.ts'
import type { AttributionSettings } from './identity/attribution.ts'
import type { StaticKeys } from './identity/authenticator.ts'
import { type BodyRules, compileBodyRules } from './identity/body-rules.ts'
import { MasterKey } from './identity/master-key.ts'
import type { Limits } from './reservation/reserve.ts'
import type { Following } from './routing/learned/artifact-library.ts'
import { isAutoRouter } from './routing/learned/auto-routers.ts'
import { compileLearned } from './routing/learned/compile-learned.ts'
import { ModelIndex } from './routing/model-groups.ts'
import { Router, type RouterServices } from './routing/router.ts'
import { compileRoutingSettings, type RoutingSettings } from './routing/settings.ts'

export interface CallLimits {
  readonly maxRequestBytes: number
  readonly maxResponseBytes: number
  /** Milliseconds a stream's head may be held for its first content. */
  readonly streamCommitTimeout: number
  readonly prefixAffinity: boolean
  readonly cancelOnDisconnect: boolean
  readonly costInStreamUsage: boolean
}

/**
 * The configuration, compiled: one immutable object that a call keeps from its first to its last byte. A reload builds
 * another and swaps a pointer.
 */
export interface Snapshot {
  /** 1 for the first configuration, one more for each that took effect. */
  readonly version: number
  readonly hash: string
  /** `version-hash`, as sent in `x-routeiq-config-version`. */
  readonly label: string
  readonly loaded: LoadedConfig
  readonly keys: StaticKeys
  /** Whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: TrustedProxies
  readonly deployments: readonly Deployment[]
  /** `model_info.access_groups` by model group. */
  readonly accessGroups: ReadonlyMap<string, readonly string[]>
  /** What the operator should know though the config works; one line each. */
  readonly warnings: readonly string[]
  readonly router: Router
  readonly settings: RoutingSettings
  /** What of the routing a caller may set for its call; undefined: there is nothing that could be set. */
  readonly overridable: ReadonlySet<Overridable> | undefined
  /** Trained routers on disk that this configuration names. */
  readonly artifacts: Following | undefined
  readonly limits: CallLimits
  /** Limits and budgets, as configured. */
  readonly governed: Limits
  readonly attribution: AttributionSettings
  /** Undefined: no bodies are kept. */
  readonly keptBodies: BodyOptions | undefined
  /** Who may come in beyond keys and roles, as far as the configuration says. */
  readonly access: AccessSettings
  /** Configured fallbacks only to models the caller may use. */
  readonly checkFallbacks: boolean
  /** Undefined: nothing is demanded of bodies. */
  readonly bodyRules: BodyRules | undefined
  readonly admission: AdmissionLimits
  readonly egress: EgressConfiguration
  /** Model groups that take every call of their kind, whatever the caller asks for. */
  readonly forcedModels: { readonly chat: string | undefined; readonly embeddings: string | undefined }
  readonly metricsNeedKey: boolean
  readonly explainEntries: number
  /** Milliseconds calls in flight may finish after SIGTERM. */
  readonly shutdownTimeout: number
}

export interface SnapshotServices {
  readonly prices: PriceBook
  readonly routing: RouterServices
  /** Used when the config names no master key. */
  readonly masterKey: Secret
  /** Where the built-in demo models listen, `http://127.0.0.1:port`. */
  readonly demoOrigin: string | undefined
  readonly limitsOf: (config: GatewayConfig) => Limits
}

/**
 * Compiles a loaded config.
 * @throws GatewayError `config_invalid` when a deployment cannot be made (unknown vendor, no base URL, …).
 */
export function compileSnapshot(loaded: LoadedConfig, version: number, services: SnapshotServices): Snapshot {
  const { config } = loaded
  const { general_settings: general, litellm_settings: litellm, routeiq } = config
  const settings = compileRoutingSettings(config.router_settings, litellm)
  const context: CompileContext = {
    config,
    settings,
    prices: services.prices,
    env: loaded.env,
    liveEnv: loaded.liveEnv,
    demoOrigin: services.demoOrigin,
  }
  const warnings: string[] = [...loaded.warnings.map(formatProblem), ...accessWarnings(config)]
  const deployments = compileDeployments(context, warnings)
  const learning = services.routing.learned
    ? compileLearned(config, deployments, services.routing.learned, settings.strategyArgs)
    : undefined
  warnings.push(...(learning?.warnings ?? []))
  const index = new ModelIndex(deployments, {
    ...(learning === undefined ? {} : { virtual: learning.virtual, virtualNames: learning.virtualNames }),
    groupAliases: config.router_settings.model_group_alias ?? {},
    aliasMap: litellm.model_alias_map ?? {},
    specialise: (deployment, requested, captured) => forRequestedModel(deployment, requested, captured, context),
  })
  // The demo models listen on loopback: allowed by name and port, like any local model would be.
  const egress = egressConfiguration(routeiq.egress, demoHosts(services.demoOrigin))
  warnOfRefusedAddresses(deployments, egress.policies.providers, warnings)
  return {
    version,
    hash: loaded.hash,
    label: `${version}-${loaded.hash}`,
    loaded,
    keys: {
      master: new MasterKey((general.master_key ?? services.masterKey).reveal()),
      admins: adminKeys(loaded.env),
      extraHeader: general.litellm_key_header_name?.toLowerCase(),
    },
    trustedProxies: new TrustedProxies(general.use_x_forwarded_for === false ? [] : routeiq.trusted_proxies),
    deployments,
    accessGroups: accessGroupsOf(loaded),
    warnings,
    router: new Router({
      index,
      settings,
      strategy: learning?.strategy,
      allowedRegions: learning?.allowedRegions,
      ...services.routing,
    }),
    overridable: learning?.overridable,
    artifacts: learning?.following,
    settings,
    governed: services.limitsOf(config),
    keptBodies: keptBodies(config, loaded.env),
    attribution: {
      endUserHeaders: endUserHeaders(general),
    },
    access: accessSettings(config),
    checkFallbacks: general.enforce_fallback_model_access === true,
    bodyRules: compileBodyRules(general, routeiq.restrict_caller_switches === true),
    limits: {
      maxRequestBytes: Math.ceil(general.max_request_size_mb * 1024 * 1024),
      maxResponseBytes: Math.ceil((general.max_response_size_mb ?? 64) * 1024 * 1024),
      streamCommitTimeout: routeiq.stream_commit_timeout * 1000,
      prefixAffinity:
        routeiq.prefix_affinity || (config.router_settings.optional_pre_call_checks ?? []).includes('prompt_caching'),
      cancelOnDisconnect: general.cancel_on_disconnect,
      costInStreamUsage: litellm.include_cost_in_streaming_usage,
    },
    admission: {
      maxInFlight: general.max_in_flight_requests_per_worker ?? Number.POSITIVE_INFINITY,
      maxQueued: general.max_queued_requests_per_worker ?? 0,
      queueTimeout: general.admission_queue_timeout_seconds * 1000,
    },
    egress,
    forcedModels: { chat: general.completion_model, embeddings: general.embedding_model },
    metricsNeedKey: litellm.require_auth_for_metrics_endpoint,
    explainEntries: routeiq.explain_entries,
    shutdownTimeout: routeiq.shutdown_timeout_seconds * 1000,
  }
}

/** @throws GatewayError `config_invalid` that names the entry */
function accessSettings({ general_settings: general, routeiq }: GatewayConfig): AccessSettings {
  try {
    return compileAccess({
      policies: routeiq.access_policies ?? [],
      allowedIps: general.allowed_ips,
      allowedRoutes: general.allowed_routes ?? [],
      adminOnlyRoutes: general.admin_only_routes ?? [],
      publicRoutes: general.public_routes ?? [],
    })
  } catch (error) {
    if (error instanceof PolicyInvalid)
      throw new GatewayError('config_invalid', `${error.message}.`, { param: error.param })
    throw error
  }
}

function accessWarnings({ general_settings: general, routeiq }: GatewayConfig): string[] {
  const warnings: string[] = []
  if (general.use_x_forwarded_for === true && routeiq.trusted_proxies.length === 0) {
    warnings.push(
      'general_settings.use_x_forwarded_for: no proxy is trusted, so the header is not read; name yours in routeiq.trusted_proxies',
    )
  }
  if (general.user_header_mappings?.some(mapping => mapping.litellm_user_role === 'internal_user') === true) {
    warnings.push(
      'general_settings.user_header_mappings: internal_user is known, not active yet; callers are who their key says',
    )
  }
  return warnings
}

/** Lower case, in the order they are looked at. */
const endUserHeaders = (general: GatewayConfig['general_settings']): readonly string[] =>
  [
    ...(general.user_header_mappings ?? [])
      .filter(mapping => mapping.litellm_user_role === 'customer')
      .map(mapping => mapping.header_name),
    ...(general.user_header_name === undefined ? [] : [general.user_header_name]),
  ].map(name => name.toLowerCase())

/** A group belongs to the access groups of any of its deployments. */
function accessGroupsOf({ config }: LoadedConfig): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const { model_name: name, model_info: info } of config.model_list) {
    const own = info?.access_groups ?? []
    if (own.length > 0) groups.set(name, [...(groups.get(name) ?? []), ...own])
  }
  return groups
}

/**
 * Entries of vendors to come are left out with a warning, as settings to come are: a config of LiteLLM loads as it is.
 * With `ignore_invalid_deployments`, so is an entry that cannot be made.
 */
function compileDeployments(context: CompileContext, warnings: string[]): Deployment[] {
  const deployments: Deployment[] = []
  for (const entry of context.config.model_list) {
    // No upstream but a choice among others: see `routing/learned/auto-routers.ts`.
    if (isAutoRouter(entry)) continue
    const { model, custom_llm_provider: provider } = entry.litellm_params
    const later = laterVendorOf(model, provider)
    if (later !== undefined) {
      warnings.push(
        `skipped: ${entry.model_name} (${model}): vendor "${later}" is not spoken by this version, calls to it will fail; see docs/providers.md`,
      )
      continue
    }
    try {
      deployments.push(compileDeployment(entry, context))
    } catch (error) {
      if (!context.config.router_settings.ignore_invalid_deployments || !(error instanceof GatewayError)) throw error
      warnings.push(`skipped: ${error.message}`)
    }
  }
  return deployments
}

/** `ADMIN_API_KEYS`, comma separated: further administrators, each of whose keys can be withdrawn alone. */
const adminKeys = (env: Environment): readonly MasterKey[] =>
  (env['ADMIN_API_KEYS'] ?? '')
    .split(',')
    .map(key => key.trim())
    .filter(key => key !== '')
    .map(key => new MasterKey(key, 'admin_key'))

const demoHosts = (origin: string | undefined): string[] =>
  origin === undefined ? [] : [origin.replace('http://', '')]

/** A call would fail with 403; better said before. What DNS will answer is not known here, and may change. */
function warnOfRefusedAddresses(deployments: readonly Deployment[], egress: EgressPolicy, warnings: string[]): void {
  for (const { group, target } of deployments) {
    const refused = egress.checkUrl(target.origin)
    if (refused !== undefined) warnings.push(`${group} (${target.vendor.id}/${target.model}): ${refused.message}`)
  }
}
