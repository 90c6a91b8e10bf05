import { hash } from 'node:crypto'
import { deploymentRules } from '../governance/limits/compile-enforcement.ts'
import { requestDefaults } from '../platform/config/deployment-params.ts'
import type { ModelListEntry } from '../platform/config/model-list.ts'
import type { GatewayConfig } from '../platform/config/schema.ts'
import { GatewayError } from '../platform/errors/gateway-error.ts'
import { LiveSecret } from '../platform/secrets/live-secret.ts'
import { Secret } from '../platform/security/secret.ts'
import { freeOfCharge } from '../providers/model-price.ts'
import { factsFromConfig, type PriceBook } from '../providers/price-book.ts'
import { wireOf } from '../providers/registry.ts'
import { vendorOfModel } from '../providers/vendors.ts'
import type { Target, Vendor } from '../providers/wire.ts'
import type { Deployment } from './deployment.ts'
import { compileAllowedFailsPolicy, type RoutingSettings } from './routing/settings.ts'

export interface CompileContext {
  readonly config: GatewayConfig
  readonly settings: RoutingSettings
  readonly prices: PriceBook
  readonly env: NodeJS.ProcessEnv
  /** Vendors' default keys that a secret manager keeps; they come before `env`. */
  readonly liveEnv: ReadonlyMap<string, LiveSecret>
  readonly demoOrigin: string | undefined
}

type Params = ModelListEntry['litellm_params']

/** The config entry a deployment came from; needed again when a wildcard is made concrete. */
const entries = new WeakMap<Deployment, ModelListEntry>()

/** @throws GatewayError `config_invalid`, naming the model and the fix. */
export function compileDeployment(entry: ModelListEntry, context: CompileContext): Deployment {
  const params = withDefaults(entry.litellm_params, context)
  // `*` is any vendor's model: which one, the request's name will tell. Until then the deployment needs some vendor.
  const model = params.model === '*' && params.custom_llm_provider === undefined ? 'openai/*' : params.model
  const deployment = build(entry, params, model, context, entry.model_info?.id ?? deploymentId(entry))
  entries.set(deployment, entry)
  return deployment
}

/**
 * A wildcard deployment made concrete: `*` in its model is replaced by what the request's name had there.
 * Shares the wildcard's id, so that its statistics and cooldown cover all its models.
 */
export function forRequestedModel(
  deployment: Deployment,
  requested: string,
  captured: readonly string[],
  context: CompileContext,
): Deployment {
  const entry = entries.get(deployment)
  if (entry === undefined) return deployment
  const params = withDefaults(entry.litellm_params, context)
  let next = 0
  const model = params.model === '*' ? requested : params.model.replace(/\*/g, () => captured[next++] ?? '')
  try {
    return build(entry, params, model, context, deployment.id)
  } catch (error) {
    // The configuration is sound; it is the name that leads nowhere.
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError('model_not_found', why, { param: 'model', cause: error })
  }
}

function withDefaults(params: Params, { config }: CompileContext): Params {
  const defaults = config.router_settings.default_litellm_params
  return defaults === undefined ? params : { ...defaults, ...params }
}

function build(
  entry: ModelListEntry,
  params: Params,
  fullModel: string,
  context: CompileContext,
  id: string,
): Deployment {
  const { config, settings, prices, env } = context
  const info = entry.model_info
  const { vendor, model } = vendorOf(entry, fullModel, params)
  const facts = factsFromConfig(params, info ?? {}, prices.lookup(vendor.id, model, info?.base_model))
  const base = baseUrl(entry, vendor, params, context)
  const key = params.api_key ?? fromEnvironment(vendor.apiKeyEnv, context)
  const bearer = bearerToken(vendor, params, context)
  const apiKey = bearer !== undefined && params.api_key === undefined ? undefined : key
  const target: Target = {
    vendor,
    model,
    origin: base.origin,
    basePath: base.pathname.replace(/\/+$/, ''),
    apiKey: inUse(apiKey),
    bearerToken: inUse(bearer),
    apiVersion:
      params.api_version ??
      baseApiVersion(base) ??
      (vendor.wire === 'azure-openai' ? env['AZURE_API_VERSION'] : undefined),
    organization: params.organization ?? (vendor.id === 'openai' ? env['OPENAI_ORGANIZATION'] : undefined),
    extraHeaders: extraHeaders(vendor, params, env),
    defaults: requestDefaults(params),
    capabilities: facts.capabilities,
    baseModel: info?.base_model,
    dropParams: params.drop_params ?? config.litellm_settings.drop_params,
    additionalDropParams: params.additional_drop_params ?? [],
    allowedOpenaiParams: params.allowed_openai_params ?? [],
    modifyParams: params.modify_params ?? config.litellm_settings.modify_params,
  }
  const failsPolicy = compileAllowedFailsPolicy(info?.allowed_fails_policy)
  const deployment: Following = {
    id,
    group: entry.model_name,
    wire: wireOf(vendor.wire),
    target,
    credential: liveOf(bearer) ?? liveOf(apiKey),
    price: vendor.id === 'demo' ? (facts.price ?? freeOfCharge) : facts.price,
    weight: params.weight,
    rpm: params.rpm,
    tpm: params.tpm,
    order: params.order,
    limits: deploymentRules(id, params),
    maxParallelRequests: params.max_parallel_requests ?? config.router_settings.default_max_parallel_requests,
    timeout: milliseconds(params.timeout) ?? settings.timeout,
    streamTimeout: milliseconds(params.stream_timeout) ?? settings.streamTimeout,
    ttftTimeout: milliseconds(params.ttft_timeout) ?? settings.ttftTimeout,
    streamIdleTimeout: milliseconds(params.stream_idle_timeout) ?? settings.streamIdleTimeout,
    numRetries: params.num_retries ?? params.max_retries,
    region: params.region_name,
    qualityScore: info?.quality_score ?? tierScore(info?.adaptive_router_preferences?.quality_tier),
    cooldown: milliseconds(params.cooldown_time ?? info?.cooldown_time),
    allowedFails: info?.allowed_fails,
    ...(failsPolicy === undefined ? {} : { allowedFailsPolicy: failsPolicy }),
  }
  liveOf(apiKey)?.follow(deployment, takeApiKey)
  liveOf(bearer)?.follow(deployment, takeBearerToken)
  return deployment
}

/** The one thing of a deployment that changes: its target is replaced when its credential is. */
type Following = Omit<Deployment, 'target'> & { target: Target }

/** LiteLLM's tiers 1 to 3 as a quality. */
const tierScore = (tier: number | undefined): number | undefined => (tier === undefined ? undefined : 0.3 * tier + 0.05)

const liveOf = (secret: Secret | undefined): LiveSecret | undefined =>
  secret instanceof LiveSecret ? secret : undefined

const inUse = (secret: Secret | undefined): Secret | undefined => liveOf(secret)?.inUse ?? secret

/** A new object, because wires keep what they have worked out of a target by its identity. */
function takeApiKey(deployment: Following, apiKey: Secret): void {
  if (deployment.target.apiKey !== apiKey) deployment.target = { ...deployment.target, apiKey }
}

function takeBearerToken(deployment: Following, bearerToken: Secret): void {
  if (deployment.target.bearerToken !== bearerToken) deployment.target = { ...deployment.target, bearerToken }
}

function vendorOf(entry: ModelListEntry, model: string, params: Params): { vendor: Vendor; model: string } {
  try {
    return vendorOfModel(model, params.custom_llm_provider)
  } catch (error) {
    throw invalid(entry, error instanceof Error ? error.message : String(error))
  }
}

function baseUrl(entry: ModelListEntry, vendor: Vendor, params: Params, context: CompileContext): URL {
  if (vendor.id === 'demo' && context.demoOrigin !== undefined) return new URL(`${context.demoOrigin}/v1`)
  const text =
    params.api_base ??
    params.base_url ??
    vendor.baseUrlEnv.map(name => context.env[name]).find(Boolean) ??
    vendor.baseUrl
  if (text === undefined || text === '') {
    const env = vendor.baseUrlEnv.length > 0 ? ` or the environment variable ${vendor.baseUrlEnv.join(' or ')}` : ''
    throw invalid(entry, `${vendor.name} has no default address; set litellm_params.api_base${env}.`)
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw invalid(entry, `litellm_params.api_base is not a URL; write it like https://host/v1.`)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalid(entry, 'litellm_params.api_base must begin with https:// or http://.')
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(entry, 'litellm_params.api_base may not hold a user name or password; use api_key or extra_headers.')
  }
  return url
}

/** Azure endpoints are often copied whole, `?api-version=` included. */
function baseApiVersion(base: URL): string | undefined {
  return base.searchParams.get('api-version') ?? undefined
}

function bearerToken(vendor: Vendor, params: Params, context: CompileContext): Secret | undefined {
  if (params.azure_ad_token !== undefined) return params.azure_ad_token
  if (params.api_key !== undefined) return undefined
  if (vendor.wire === 'azure-openai' && fromEnvironment(vendor.apiKeyEnv, context) === undefined) {
    return fromEnvironment(['AZURE_AD_TOKEN'], context)
  }
  if (vendor.id === 'anthropic' && fromEnvironment(['ANTHROPIC_API_KEY'], context) === undefined) {
    return fromEnvironment(['ANTHROPIC_AUTH_TOKEN'], context)
  }
  return undefined
}

function fromEnvironment(names: readonly string[], { env, liveEnv }: CompileContext): Secret | undefined {
  for (const name of names) {
    const live = liveEnv.get(name)
    if (live !== undefined) return live
    const value = env[name]
    if (value !== undefined && value !== '') return new Secret(value)
  }
  return undefined
}

function extraHeaders(vendor: Vendor, params: Params, env: NodeJS.ProcessEnv): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, variable] of Object.entries(vendor.quirks?.headersFromEnv ?? {})) {
    const value = env[variable]
    if (value !== undefined && value !== '') headers[name] = value
  }
  for (const [name, value] of Object.entries(params.extra_headers ?? {})) headers[name.toLowerCase()] = value
  if (vendor.id === 'demo' && params.words_per_second !== undefined) {
    headers['x-demo-words-per-second'] = String(params.words_per_second)
  }
  return headers
}

/** The same parameters give the same id, over restarts and replicas. Credentials take part only as part of the hash. */
function deploymentId(entry: ModelListEntry): string {
  return hash('sha256', JSON.stringify(identifying([entry.model_name, entry.litellm_params])))
}

/** Keys in order and credentials as hashes. (A replacer would not do: it sees a Secret only after it was redacted.) */
function identifying(value: unknown): unknown {
  // A credential that changes is the same credential.
  if (value instanceof LiveSecret) return value.reference
  if (value instanceof Secret) return hash('sha256', value.reveal())
  if (Array.isArray(value)) return value.map(identifying)
  if (typeof value !== 'object' || value === null) return value
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([name, own]) => [name, identifying(own)]))
}

const milliseconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000

function invalid(entry: ModelListEntry, message: string): GatewayError {
  return new GatewayError(
    'config_invalid',
    `model_list: ${entry.model_name} (${entry.litellm_params.model}): ${message}`,
  )
}
