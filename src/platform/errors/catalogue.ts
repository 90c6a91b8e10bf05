/**
 * Every error the gateway can answer with: one row per stable code. The row fixes the HTTP status and the `type` word
 * of each dialect; the message is written where the error is raised and says what the caller can do about it.
 *
 * `retryable` means: the same call may succeed on another deployment or a moment later.
 * `docs/errors.md` has one section per code.
 */
export interface CatalogueEntry {
  readonly status: number
  /** `error.type` in the OpenAI dialect. */
  readonly openai: string
  /** `error.type` in the Anthropic dialect. */
  readonly anthropic: string
  readonly retryable: boolean
}

const entry = (status: number, openai: string, anthropic: string, retryable = false): CatalogueEntry => ({
  status,
  openai,
  anthropic,
  retryable,
})

export const catalogue = {
  // The caller's request.
  invalid_request: entry(400, 'invalid_request_error', 'invalid_request_error'),
  invalid_json: entry(400, 'invalid_request_error', 'invalid_request_error'),
  missing_field: entry(400, 'invalid_request_error', 'invalid_request_error'),
  unsupported_params: entry(400, 'invalid_request_error', 'invalid_request_error'),
  context_length_exceeded: entry(400, 'invalid_request_error', 'invalid_request_error'),
  content_policy_violation: entry(400, 'invalid_request_error', 'invalid_request_error'),
  unprocessable_entity: entry(422, 'invalid_request_error', 'invalid_request_error'),
  request_too_large: entry(413, 'invalid_request_error', 'request_too_large'),
  unsupported_media_type: entry(415, 'invalid_request_error', 'invalid_request_error'),
  method_not_allowed: entry(405, 'invalid_request_error', 'invalid_request_error'),
  route_not_found: entry(404, 'invalid_request_error', 'not_found_error'),
  model_not_found: entry(404, 'invalid_request_error', 'not_found_error'),
  not_found: entry(404, 'invalid_request_error', 'not_found_error'),
  // Who is calling.
  invalid_api_key: entry(401, 'authentication_error', 'authentication_error'),
  expired_key: entry(401, 'authentication_error', 'authentication_error'),
  key_blocked: entry(401, 'authentication_error', 'authentication_error'),
  permission_denied: entry(403, 'permission_error', 'permission_error'),
  policy_denied: entry(403, 'permission_error', 'permission_error'),
  model_access_denied: entry(403, 'permission_error', 'permission_error'),
  conflict: entry(409, 'invalid_request_error', 'invalid_request_error'),
  identity_unavailable: entry(503, 'server_error', 'overloaded_error', true),
  ledger_unavailable: entry(503, 'server_error', 'overloaded_error', true),
  store_unavailable: entry(503, 'server_error', 'overloaded_error', true),
  // Limits.
  rate_limit_exceeded: entry(429, 'rate_limit_error', 'rate_limit_error', true),
  budget_exceeded: entry(429, 'budget_exceeded', 'rate_limit_error'),
  no_model_fits: entry(400, 'invalid_request_error', 'invalid_request_error'),
  no_deployment_available: entry(429, 'rate_limit_error', 'rate_limit_error', true),
  overloaded: entry(503, 'server_error', 'overloaded_error', true),
  limits_unavailable: entry(503, 'server_error', 'overloaded_error', true),
  // The far side.
  upstream_authentication: entry(401, 'authentication_error', 'authentication_error', true),
  upstream_timeout: entry(408, 'timeout_error', 'timeout_error', true),
  upstream_unreachable: entry(502, 'api_connection_error', 'api_error', true),
  upstream_bad_response: entry(502, 'server_error', 'api_error', true),
  upstream_error: entry(500, 'server_error', 'api_error', true),
  upstream_unavailable: entry(503, 'server_error', 'overloaded_error', true),
  stream_interrupted: entry(502, 'server_error', 'api_error', true),
  egress_denied: entry(403, 'permission_error', 'permission_error'),
  client_disconnected: entry(499, 'invalid_request_error', 'invalid_request_error'),
  // Ourselves.
  config_invalid: entry(400, 'invalid_request_error', 'invalid_request_error'),
  shutting_down: entry(503, 'server_error', 'overloaded_error', true),
  internal_error: entry(500, 'server_error', 'api_error', true),
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof catalogue
