import { ignored, later, laterControl } from './section.ts'

const logging = {
  ...later({
    log_raw_request_response: ['Log the vendor’s raw request and answer.', false],
    standard_logging_payload_excluded_fields: 'Fields left out of log events.',
    request_correlation_in_logs: ['Request ids in log lines (always on here).', false],
    langfuse_default_tags: 'Tags set on Langfuse traces.',
    logged_real_time_event_types: 'Realtime events that are logged.',
    disable_streaming_logging: ['Do not log streamed calls.', false],
    cold_storage_custom_logger: 'Integration that stores prompts.',
    datadog_params: 'Settings of the Datadog integration.',
    datadog_llm_observability_params: 'Settings of Datadog LLM observability.',
    newrelic_params: 'Settings of the New Relic integration.',
    aws_sqs_callback_params: 'Settings of the SQS integration.',
    generic_logger_headers: 'Headers of the generic log integration.',
    argilla_transformation_object: 'Mapping for the Argilla integration.',
    allow_dynamic_callback_disabling: ['Let calls switch integrations off.', true],
  }),
  ...laterControl({
    turn_off_message_logging: ['Keep prompts and answers out of log integrations.', false],
    redact_user_api_key_info: ['Keep key details out of log integrations.', false],
    redact_messages_in_exceptions: ['Keep prompts out of error messages.', false],
  }),
}

const prometheus = later({
  prometheus_initialize_budget_metrics: ['Publish budget metrics from the start.', false],
  prometheus_metrics_config: 'Which metrics and labels are published.',
  prometheus_latency_buckets: 'Buckets of latency histograms.',
  custom_prometheus_metadata_labels: 'Metadata keys that become labels.',
  custom_prometheus_tags: 'Tags that become labels.',
  prometheus_emit_stream_label: ['Label calls as streamed or not.', false],
  prometheus_emit_rate_limit_labels: ['Labels for rate limits.', false],
  enable_end_user_cost_tracking_prometheus_only: ['End-user cost in metrics only.', false],
  disable_end_user_cost_tracking: ['No cost per end user.', false],
  prometheus_end_user_metrics_max_series_per_metric: ['Limit of end-user series.', 10000],
  prometheus_end_user_metrics_ttl_seconds: ['Life of end-user series.', 3600],
  prometheus_end_user_metrics_cleanup_interval_seconds: ['Clean-up interval of end-user series.', 60],
})

const network = {
  ...later({
    force_ipv4: ['Use IPv4 only.', false],
    http2: ['Speak HTTP/2 to vendors.', false],
    ssl_certificate: 'Client certificate for vendors.',
    ssl_ecdh_curve: 'TLS curve.',
    forward_traceparent_to_llm_provider: ['Pass the trace context on.', false],
  }),
  ...laterControl({
    ssl_verify: ['Check vendors’ certificates (always on here), or a CA file.', true],
    ssl_security_level: 'Least TLS security level.',
  }),
  ...ignored({
    disable_aiohttp_transport: 'it selects a Python HTTP client',
    aiohttp_trust_env: 'it configures a Python HTTP client',
    network_mock: 'it is a switch of the Python test suite',
    telemetry: 'this gateway sends no usage data to anyone',
    disable_hf_tokenizer_download: 'no tokenizer is ever downloaded',
  }),
}

const params = {
  ...later({
    num_retries_per_request: 'Retries inside the client library.',
    add_function_to_prompt: ['Write tools into the prompt where unsupported.', false],
    disable_stop_sequence_limit: ['Send more stop sequences than allowed.', false],
    enable_json_schema_validation: ['Check answers against their JSON schema.', false],
    use_chat_completions_url_for_anthropic_messages: ['Serve /v1/messages through chat completions.', false],
    route_all_chat_openai_to_responses: ['Send OpenAI chat through the Responses API.', false],
    strip_anthropic_total_tokens: ['Leave total_tokens out of Anthropic usage.', false],
    reasoning_auto_summary: ['Ask for reasoning summaries.', false],
    enable_anthropic_prompt_caching: ['Add cache marks to Anthropic calls.', false],
    anthropic_prompt_caching_ttl: 'Life of those marks.',
    return_response_headers: ['Vendor headers in the answer.', false],
    add_user_information_to_llm_headers: 'Send user details to vendors.',
    model_group_settings: 'Header forwarding per group.',
    disable_token_counter: ['No token counting.', false],
  }),
  ...laterControl({
    filter_invalid_headers: 'Drop malformed vendor headers.',
    overwrite_user_with_key_hash: ['Replace `user` by the key’s hash.', false],
  }),
}

const cache = later({
  cache: ['Cache answers.', false],
  cache_params: 'Kind and settings of the answer cache.',
  enable_redis_auth_cache: ['Cache identities in Redis.', false],
  enable_caching_on_provider_specific_optional_params: ['Vendor fields in the cache key.', false],
  default_in_memory_ttl: 'Life of cached answers in memory.',
  default_redis_ttl: 'Life of cached answers in Redis.',
  default_redis_batch_cache_expiry: 'Life of batch entries in Redis.',
})

const budgets = {
  ...laterControl({
    max_user_budget: 'Spend limit per user.',
    max_internal_user_budget: 'Spend limit per internal user.',
    default_max_internal_user_budget: 'Default spend limit of internal users.',
    internal_user_budget_duration: 'Period of internal users’ budgets.',
    max_ui_session_budget: ['Spend limit of a dashboard session.', 1],
    validate_end_user_id_in_db: ['Refuse unknown end users.', false],
    enable_key_alias_format_validation: ['Check the form of key aliases.', false],
  }),
  ...later({
    default_team_settings: 'Logging settings per team.',
    default_key_max_budget_alert_emails: 'Alert addresses of new keys.',
    extra_spend_tag_headers: 'Headers that become spend tags.',
    disable_add_user_agent_to_request_tags: ['No tag from User-Agent.', false],
    cost_discount_config: 'Discount per vendor.',
    cost_margin_config: 'Margin per vendor.',
  }),
}

const guardrails = laterControl({
  guardrails: 'Guardrails (old place).',
  llmguard_mode: 'Mode of LLM Guard.',
  skip_system_message_in_guardrail: ['Guardrails skip system messages.', false],
  skip_tool_message_in_guardrail: ['Guardrails skip tool messages.', false],
  presidio_ad_hoc_recognizers: 'Further PII patterns.',
  output_parse_pii: ['Put masked PII back into answers.', false],
  blocked_user_list: 'Users that are refused.',
  banned_keywords_list: 'Words that are refused.',
  prompt_injection_params: 'Prompt-injection checks.',
  user_url_validation: ['Check URLs in requests.', true],
  user_url_allowed_hosts: 'Hosts that may appear in URLs.',
  provider_url_destination_allowed_hosts: 'Hosts a caller may name as api_base.',
  require_managed_files: ['Only files uploaded through the gateway.', false],
})

const surfaces = {
  ...later({
    expose_router_debug_in_errors: ['Routing details in error texts (the explain endpoint has them).', true],
    public_model_groups: 'Groups shown without login.',
    public_model_groups_links: 'Links on the public model page.',
    public_agent_groups: 'Agents shown without login.',
    public_mcp_servers: 'MCP servers shown without login.',
    mcp_aliases: 'Short names of MCP servers.',
  }),
  ...laterControl({ public_mcp_hub_strict_whitelist: ['Show only listed MCP servers.', true] }),
}

export const laterLitellmSettings = {
  ...logging,
  ...prometheus,
  ...network,
  ...params,
  ...cache,
  ...budgets,
  ...guardrails,
  ...surfaces,
}
