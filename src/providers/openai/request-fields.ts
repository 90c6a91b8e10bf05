// biome-ignore-all format: one name per line would make a page of each list

/** Fields of the chat, completions and embeddings requests that OpenAI documents; the rest are vendors' or the gateway's. */
export const openaiFields: ReadonlySet<string> = new Set([
  'model', 'messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'temperature', 'top_p', 'n',
  'stop', 'seed', 'frequency_penalty', 'presence_penalty', 'logit_bias', 'logprobs', 'top_logprobs', 'user', 'tools',
  'tool_choice', 'parallel_tool_calls', 'functions', 'function_call', 'response_format', 'reasoning_effort', 'modalities',
  'audio', 'prediction', 'web_search_options', 'service_tier', 'store', 'verbosity', 'safety_identifier',
  'prompt_cache_key', 'prompt_cache_retention', 'prompt', 'suffix', 'echo', 'best_of', 'input', 'dimensions',
  'encoding_format',
])

/** Fields a vendor with `supportedParams` must still take: they are the request itself. */
export const structuralFields: ReadonlySet<string> = new Set(['model', 'messages', 'stream', 'stream_options'])

/** Fields addressed to the gateway (LiteLLM's vocabulary). Some hold credentials; none may travel to a vendor. */
const gatewayFields: ReadonlySet<string> = new Set([
  'fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks', 'context_window_fallback_dict', 'disable_fallbacks',
  'num_retries', 'max_retries', 'retry_policy', 'timeout', 'stream_timeout', 'request_timeout', 'force_timeout',
  'ttft_timeout', 'stream_idle_timeout', 'keepalive_seconds', 'cooldown_time', 'tags', 'tag_regex', 'cache', 'caching',
  'ttl', 'guardrails', 'policies', 'disable_global_guardrails', 'drop_params', 'additional_drop_params',
  'allowed_openai_params', 'modify_params', 'priority', 'user_config', 'router_settings_override', 'api_key', 'api_base',
  'base_url', 'api_version', 'organization', 'custom_llm_provider', 'specific_deployment', 'model_info', 'model_list',
  'extra_headers', 'headers', 'prompt_id', 'prompt_variables', 'prompt_version', 'prompt_label', 'vector_store_ids',
  'enable_json_schema_validation', 'no-log', 'turn_off_message_logging', 'callbacks', 'success_callback',
  'failure_callback', 'target_model_names', 'merge_reasoning_content_in_choices', 'proxy_server_request', 'secret_fields',
  'tenant_id', 'client_id', 'client_secret', 'rpm', 'tpm', 'weight', 'order', 'max_parallel_requests',
  'routeiq',
])

const gatewayPrefixes = [
  'litellm_', 'mock_', 'user_api_key_', 'langfuse_', 'langsmith_', 'aws_', 'vertex_', 'azure_', 's3_', 'gcs_',
]

/** True for a request field that must not reach a vendor. */
export function isGatewayField(key: string): boolean {
  return gatewayFields.has(key) || gatewayPrefixes.some(prefix => key.startsWith(prefix))
}
