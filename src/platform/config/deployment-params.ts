import { z } from 'zod'
import { capabilities } from './capability-keys.ts'
import { adaptiveRouter, complexityRouter } from './learned-routing-settings.ts'
import { deploymentLimits } from './limit-settings.ts'
import { laterPriceKeys, priceFamily, priceKeys } from './price-keys.ts'
import { requestParams } from './request-params.ts'
import { ignored, key, later, laterControl, openSection, sections } from './section.ts'
import { amount, anyMap, count, flag, name, positiveCount, seconds, secret, text, textMap, texts } from './values.ts'

/** How a deployment is reached and dosed. Times are seconds, as in every LiteLLM config. */
const connection = {
  model: key(
    name,
    'Vendor and model, `<provider>/<model>`: `anthropic/claude-sonnet-4-5`. Without a known prefix: an OpenAI model.',
  ),
  custom_llm_provider: key(name, 'Vendor id, when it shall not be read from the prefix of `model`.'),
  api_key: key(secret, 'Credential; usually `os.environ/NAME`. Default: the vendor’s own environment variable.'),
  api_base: key(name, 'Base URL of the endpoint. Default: the vendor’s own.'),
  base_url: key(name, 'Same as `api_base`.'),
  api_version: key(text, 'API version of Azure endpoints.'),
  organization: key(text, 'OpenAI organization id.'),
  azure_ad_token: key(secret, 'Entra ID bearer token in place of an API key.'),
  extra_headers: key(textMap, 'Headers added to every call of this deployment.'),
  extra_body: key(anyMap, 'Fields merged into every request body of this deployment.'),
}

const dosing = {
  rpm: key(amount, 'Requests per minute: share in simple-shuffle, limit in usage-based routing.', {
    unit: 'calls/min',
  }),
  tpm: key(amount, 'Tokens per minute: share in simple-shuffle, limit in usage-based routing.', { unit: 'tokens/min' }),
  ...deploymentLimits,
  weight: key(amount, 'Share of traffic in simple-shuffle; beats rpm, which beats tpm.'),
  order: key(count, 'Preference inside the group: the lowest number that is healthy is used.'),
  max_parallel_requests: key(positiveCount, 'Calls in flight to this deployment, per process.'),
  timeout: key(seconds, 'Longest time for a call. Default: router_settings.timeout.', { unit: 's' }),
  stream_timeout: key(seconds, 'The same for streamed calls.', { unit: 's' }),
  ttft_timeout: key(seconds, 'Longest wait for the first token. Default: off.', { unit: 's' }),
  stream_idle_timeout: key(seconds, 'Longest pause between two parts of a stream. Default: off.', { unit: 's' }),
  max_retries: key(count, 'Same as num_retries; num_retries wins.'),
  num_retries: key(count, 'Retries when this deployment fails. Default: router_settings.num_retries.'),
  cooldown_time: key(seconds, 'Pause after failures; 0 = never pause. Default: router_settings.cooldown_time.', {
    unit: 's',
  }),
  drop_params: key(flag, 'Leave out request fields the model does not support instead of refusing.'),
  additional_drop_params: key(texts, 'Request fields always left out.'),
  allowed_openai_params: key(texts, 'Request fields passed on although the model is not known to support them.'),
  modify_params: key(flag, 'Allow small repairs of the request that a vendor demands (an empty message, for one).'),
  words_per_second: key(amount, 'Pace of the built-in demo models; ignored by all others.', {
    default: 50,
    unit: 'words/s',
  }),
}

/** A model of `auto_router/…` is no upstream: it chooses among other model groups. */
const routers = {
  auto_router_config: key(
    z.union([text, anyMap]),
    'Routes of a semantic router: JSON, or `{routes: [{name, utterances, score_threshold}]}`; a route’s name is a model group.',
  ),
  auto_router_config_path: key(name, 'The same in a JSON file.'),
  auto_router_default_model: key(name, 'Model group used when no route matches.'),
  auto_router_max_input_chars: key(positiveCount, 'Characters of the prompt that are compared.', { default: 1500 }),
  complexity_router_config: key(complexityRouter, 'Settings of `auto_router/complexity_router`; see below.'),
  complexity_router_default_model: key(name, 'Model group of tiers without one.'),
  adaptive_router_config: key(adaptiveRouter, 'Settings of `auto_router/adaptive_router`; see below.'),
  adaptive_router_default_model: key(name, 'Model group used while nothing is known.'),
}

const facts = {
  region_name: key(
    name,
    'Where the endpoint is; compared with routeiq.routing.allowed_regions and what callers demand.',
  ),
  max_input_tokens: key(positiveCount, 'Context window; better placed in model_info.', { unit: 'tokens' }),
  max_output_tokens: key(positiveCount, 'Longest answer; better placed in model_info.', { unit: 'tokens' }),
  ...capabilities,
}

const cloudCredentials = later({
  tenant_id: 'Entra ID tenant.',
  client_id: 'Entra ID application.',
  client_secret: 'Entra ID application secret.',
  azure_scope: 'Entra ID scope.',
  azure_username: 'Entra ID user name.',
  azure_password: 'Entra ID password.',
  vertex_project: 'Google Cloud project.',
  vertex_location: 'Google Cloud region.',
  vertex_credentials: 'Google service account, text or file.',
  aws_access_key_id: 'AWS access key.',
  aws_secret_access_key: 'AWS secret key.',
  aws_session_token: 'AWS session token.',
  aws_region_name: 'AWS region.',
  aws_session_name: 'AWS role session name.',
  aws_profile_name: 'AWS profile.',
  aws_role_name: 'AWS role to assume.',
  aws_web_identity_token: 'AWS web identity token.',
  aws_sts_endpoint: 'AWS STS endpoint.',
  aws_external_id: 'AWS external id.',
  aws_session_tags: 'AWS session tags.',
  aws_bedrock_runtime_endpoint: 'Bedrock endpoint.',
  aws_bedrock_project_id: 'Bedrock project.',
  aws_batch_role_arn: 'AWS role for batches.',
  bedrock_tags: 'Tags of Bedrock jobs.',
  gcs_bucket_name: 'Google Cloud Storage bucket for files.',
  s3_bucket_name: 'S3 bucket for files.',
  s3_output_bucket_name: 'S3 bucket for batch results.',
  s3_region_name: 'Region of the S3 bucket.',
  s3_endpoint_url: 'Endpoint of the S3 bucket.',
  s3_access_key_id: 'Access key of the S3 bucket.',
  s3_secret_access_key: 'Secret key of the S3 bucket.',
  watsonx_region_name: 'watsonx region.',
})

const laterFeatures = {
  ...later({
    keepalive_seconds: 'Seconds between comment lines that keep a silent stream open.',
    allow_client_keepalive_override: ['Let callers set keepalive_seconds.', false],
    tags: 'Tags for tag routing.',
    tag_regex: 'Header patterns for tag routing.',
    configurable_clientside_auth_params: 'Credentials a caller may bring along.',
    litellm_credential_name: 'Entry of credential_list to use.',
    provider_affinity_header: 'Header used for upstream affinity.',
    use_in_pass_through: ['Reuse the credential for pass-through routes.', false],
    use_litellm_proxy: ['Treat the upstream as a LiteLLM proxy.', false],
    use_chat_completions_api: ['Serve other APIs through chat completions.', false],
    use_xai_oauth: ['Log in to xAI by OAuth.', false],
    merge_reasoning_content_in_choices: ['Put reasoning text into the content.', false],
    mock_response: 'Canned answer in place of a call.',
    auto_router_embedding_model:
      'Embedding model of the semantic router; examples are compared by the built-in embedding.',
    auto_router_routing_compression: 'Prompt compression before routing.',
    auto_router_model_compression: 'Prompt compression before the call.',
    quality_router_config: 'Settings of the quality router.',
    quality_router_default_model: 'Default group of the quality router.',
    silent_model: 'Group that gets a copy of the traffic.',
    cache_control_injection_points: 'Where to add Anthropic cache marks.',
    vector_store_id: 'Vector store to search.',
    milvus_text_field: 'Milvus field that holds the text.',
  }),
  ...laterControl({
    max_file_size_mb: 'Size limit of uploaded audio.',
    default_api_key_tpm_limit: 'Token limit for keys that have none.',
    default_api_key_rpm_limit: 'Request limit for keys that have none.',
    guardrails: 'Guardrails that run for this deployment.',
  }),
}

/** Credentials and features of vendors and routers that are not served yet, and prices of other modes. */
const family = new RegExp(`^(aws|azure|vertex|s3|gcs|milvus|valkey|watsonx|auto_router)_|${priceFamily.source}`)

const misplaced = ignored({ base_model: 'write it under model_info' })

const inactive = { ...misplaced, ...cloudCredentials, ...laterFeatures, ...laterPriceKeys }

/** `default_litellm_params`: like a deployment's, nothing is required. */
export const defaultDeploymentParams = openSection(
  { ...connection, ...dosing, ...facts, ...routers, ...priceKeys, ...requestParams },
  inactive,
  family,
)

export const deploymentParams = openSection(
  {
    ...connection,
    ...dosing,
    ...facts,
    ...routers,
    ...priceKeys,
    ...requestParams,
    model: { schema: name, info: { ...connection.model.info } },
  },
  inactive,
  family,
)

export type DeploymentParams = z.output<typeof deploymentParams>
export type DefaultDeploymentParams = z.output<typeof defaultDeploymentParams>

/** What a deployment presets in the request body: every key that does not configure the gateway itself. */
export function requestDefaults(params: DefaultDeploymentParams): Record<string, unknown> {
  const known = sections.get(deploymentParams)?.keys ?? {}
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(params)) {
    const info = Object.hasOwn(known, name) ? known[name] : undefined
    if (value !== undefined && (info === undefined || info.request === true)) result[name] = value
  }
  return result
}
