import { ignored, later, laterControl } from './section.ts'

const auth = {
  ...laterControl({
    custom_key_generate: 'Module that decides on new keys.',
    custom_key_update: 'Module that decides on key changes.',
    custom_key_policy: 'Module with rules for keys.',
    disable_responses_id_security: ['No ownership check of response ids.', false],
    allow_unmanaged_response_ids: ['Accept foreign response ids.', false],
    missing_session_id: 'What to do with a call without session id.',
  }),
  ...later({
    allow_user_auth: 'User login (old).',
    custom_sso: 'Module for single sign-on.',
    custom_ui_sso_sign_in_handler: 'Module for dashboard sign-on.',
    auto_redirect_ui_login_to_sso: 'Straight to single sign-on.',
    mcp_trusted_proxy_ranges: 'Proxies trusted for that header.',
    disable_master_key_return: 'Do not show the master key in the dashboard.',
    image_generation_model: 'Group for every image call.',
    moderation_model: 'Group for every moderation call.',
    infer_model_from_keys: 'Offer the models of every vendor key found in the environment.',
  }),
  ...ignored({ disable_adding_master_key_hash_to_db: 'the master key is never stored' }),
}

const limits = {
  ...laterControl({
    max_file_size_mb: 'Largest uploaded file.',
    max_batch_file_size_mb: 'Largest batch file.',
    allowed_file_extensions: 'File kinds that may be uploaded.',
    blocked_file_extensions: 'File kinds that are refused.',
  }),
  ...later({
    disable_retry_on_max_parallel_request_limit_error: 'No retry when the parallel limit is reached.',
    disable_batch_input_file_rate_limiting: ['Batches do not count.', false],
    skip_batch_input_file_rate_limiting_for_providers: 'Vendors whose batches do not count.',
  }),
}

const database = {
  ...later({
    store_model_in_db: 'Models kept in the database.',
    supported_db_objects: 'What the database may hold.',
    proxy_batch_write_at: ['How often spend is written.', 10],
    scheduled_job_stagger: 'Spread of background jobs.',
  }),
  ...ignored({
    database_disable_prepared_statements: 'it configures a Python database client',
    disable_prisma_schema_update: 'there is no Prisma schema',
    database_connection_pool_timeout: 'database_connection_timeout bounds the whole wait for a connection',
    database_connect_timeout: 'database_connection_timeout bounds the whole wait for a connection',
    database_extra_connection_params: 'write them into database_url',
    allow_requests_on_db_unavailable:
      'callers seen lately are always served while the database is away (routeiq.identity_stale_seconds); unknown keys never are',
    use_redis_transaction_buffer: 'spend is appended to a ledger that needs no such buffer',
  }),
}

const spendLogs = {
  ...later({
    disable_spend_logs: 'No spend log.',
    disable_spend_updates: 'No spend totals.',
    disable_error_logs: 'No error log in the database.',
    maximum_spend_logs_cleanup_batch_size: ['Entries removed at a time.', 1000],
    maximum_spend_logs_cleanup_max_batches: ['Batches per clean-up.', 500],
    maximum_spend_logs_cleanup_run_budget: ['Time limit of a clean-up.', '5m'],
    maximum_spend_logs_cleanup_batch_timeout: ['Time limit of a batch.', '30s'],
    always_include_stream_usage: 'Usage in every stream.',
  }),
}

const health = later({
  background_health_checks: 'Probe deployments in the background.',
  health_check_interval: ['Seconds between probes.', 300],
  health_check_details: ['Details in /health.', true],
  health_check_concurrency: 'Probes at a time.',
  use_shared_health_check: 'One replica probes for all.',
  enable_health_check_routing: 'Leave out deployments whose probe failed.',
  health_check_staleness_threshold: 'How long a probe counts.',
  health_check_ignore_transient_errors: 'Rate limits do not fail a probe.',
  background_health_check_model_groups: 'Groups that are probed.',
  health_check_skip_disabled_background_models: 'Skip models that switched probes off.',
  model_list_healthy_only: 'List healthy models only.',
  enable_drain_endpoint: 'Endpoint that drains the process.',
  drain_endpoint_token: 'Token of that endpoint.',
})

const passThrough = {
  ...later({
    pass_through_endpoints: 'Routes relayed to other services.',
    pass_through_request_timeout: ['Time limit of such a relay.', 600],
    use_client_credentials_pass_through_routes: 'Callers’ own credentials on those routes.',
    forward_client_headers_to_llm_api: 'Send callers’ headers to vendors.',
    forward_openai_org_id: 'Send the caller’s OpenAI organization on.',
    forward_llm_provider_auth_headers: 'Send the caller’s vendor credentials on.',
    allow_client_side_credentials: 'Callers may bring credentials.',
    sse_keepalive_ping_interval_seconds: 'Comment lines that keep streams open.',
  }),
}

const alerting = later({
  alerting_threshold: ['Slow-call threshold, seconds.', 300],
  alert_types: 'Which alerts are sent.',
  alert_to_webhook_url: 'Webhook per alert kind.',
  alert_type_config: 'Settings per alert kind.',
  alerting_args: 'Further alert settings.',
  spend_report_frequency: 'How often spend reports are sent.',
})

const platform = {
  ...later({
    user_mcp_management_mode: 'Who manages MCP servers.',
    mcp_required_fields: 'Fields a new MCP server must have.',
    mcp_client_side_auth_header_name: 'Header with a caller’s MCP credential.',
    enable_mcp_registry: 'Publish an MCP registry.',
    proxy_batch_polling_interval: ['How often batches are looked at.', 3600],
    control_plane_url: 'URL of a control plane.',
  }),
  ...laterControl({
    mcp_internal_ip_ranges: 'Address ranges that count as internal.',
    require_key_mcp_access_defined: 'Keys need explicit MCP access.',
    require_end_user_mcp_access_defined: 'End users need explicit MCP access.',
  }),
  ...ignored({
    use_google_kms: 'write key_management_system: google_kms',
    use_azure_key_vault: 'write key_management_system: azure_key_vault',
    litellm_license: 'every feature is open; no licence is read',
  }),
}

export const laterGeneralSettings = {
  ...auth,
  ...limits,
  ...database,
  ...spendLogs,
  ...health,
  ...passThrough,
  ...alerting,
  ...platform,
}
