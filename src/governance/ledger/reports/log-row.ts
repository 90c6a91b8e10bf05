import { readJsonList, readJsonObject } from '../../../platform/store/json-column.ts'
import type { LedgerRow } from '../../../platform/store/tables.ts'
import type { LedgerDetails } from '../shipping/ledger-row.ts'
import { dollars } from './spend-metrics.ts'

/** LiteLLM's `call_type` of our operations; others keep their name. */
const callTypes: Readonly<Record<string, string>> = {
  chat: 'acompletion',
  completion: 'atext_completion',
  completions: 'atext_completion',
  embeddings: 'aembedding',
  responses: 'aresponses',
  messages: 'anthropic_messages',
  images: 'aimage_generation',
  speech: 'aspeech',
  transcriptions: 'atranscription',
  moderations: 'amoderation',
  rerank: 'arerank',
}

export const callTypeOf = (operation: string): string => callTypes[operation] ?? operation

/** A call as LiteLLM's spend logs show it. Bodies are not part of it: they are shown one call at a time. */
export type SpendLog = {
  readonly request_id: string
  readonly call_type: string
  readonly api_key: string
  /** Dollars. */
  readonly spend: number
  readonly total_tokens: number
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly startTime: string
  readonly endTime: string
  /** First content; null where the call was not streamed. */
  readonly completionStartTime: string | null
  readonly request_duration_ms: number
  readonly model: string
  readonly model_id: string
  readonly model_group: string | null
  readonly custom_llm_provider: string | null
  readonly user: string
  readonly end_user: string
  readonly team_id: string | null
  readonly organization_id: string | null
  readonly agent_id: string | null
  readonly project_id: string | null
  readonly metadata: Readonly<Record<string, unknown>>
  readonly cache_hit: 'True' | 'False'
  readonly request_tags: readonly string[]
  readonly requester_ip_address: string | null
  readonly session_id: string | null
  readonly status: 'success' | 'failure'
  readonly messages: Readonly<Record<string, never>>
  readonly response: Readonly<Record<string, never>>
  /** Ours: HTTP status of the answer. */
  readonly status_code: number
}

export function spendLog(row: LedgerRow): SpendLog {
  const details = readJsonObject(row.details) as unknown as LedgerDetails
  const { ttft } = details.latency
  return {
    request_id: row.call_id ?? row.id,
    call_type: callTypeOf(row.operation),
    api_key: row.token ?? '',
    spend: dollars(row.cost),
    total_tokens: row.input_tokens + row.output_tokens,
    prompt_tokens: row.input_tokens,
    completion_tokens: row.output_tokens,
    startTime: new Date(row.started_at).toISOString(),
    endTime: new Date(row.ended_at).toISOString(),
    completionStartTime: ttft === undefined ? null : new Date(row.started_at + ttft).toISOString(),
    request_duration_ms: Math.round(details.latency.total),
    model: row.model,
    model_id: row.deployment_id ?? '',
    model_group: row.model_group,
    custom_llm_provider: row.provider,
    user: row.user_id ?? '',
    end_user: row.end_user ?? '',
    team_id: row.team_id,
    organization_id: row.organization_id,
    agent_id: row.agent_id,
    project_id: row.project_id,
    metadata: metadataOf(row, details),
    cache_hit: row.cache_hit === 1 ? 'True' : 'False',
    request_tags: readJsonList(row.tags),
    requester_ip_address: details.address ?? null,
    session_id: row.session_id,
    status: row.error === null && row.status < 400 ? 'success' : 'failure',
    messages: {},
    response: {},
    status_code: row.status,
  }
}

function metadataOf(row: LedgerRow, details: LedgerDetails): Record<string, unknown> {
  return {
    user_api_key: row.token,
    user_api_key_alias: row.key_alias,
    user_api_key_user_id: row.user_id,
    user_api_key_team_id: row.team_id,
    user_api_key_org_id: row.organization_id,
    status: row.error === null ? 'success' : 'failure',
    spend_logs_metadata: details.metadata ?? null,
    additional_usage_values: {
      cache_read_input_tokens: row.cache_read_tokens,
      cache_creation_input_tokens: row.cache_write_tokens,
    },
    usage_object: {
      prompt_tokens: row.input_tokens,
      completion_tokens: row.output_tokens,
      total_tokens: row.input_tokens + row.output_tokens,
      completion_tokens_details: { reasoning_tokens: row.reasoning_tokens },
      prompt_tokens_details: { cached_tokens: row.cache_read_tokens },
    },
    error_information: row.error === null ? null : { error_code: String(row.status), error_class: row.error },
    cost_breakdown: {
      total_cost: dollars(row.cost),
      unpriced: details.unpriced === true,
      // Nano-dollars, exact: what LiteLLM's floats cannot say.
      lines: details.cost_lines.map(([item, units, cost]) => ({ item, units, nano_dollars: cost })),
    },
    litellm_overhead_time_ms: details.latency.overhead,
    attempted_retries: Math.max(0, details.attempts - 1),
    attempted_fallbacks: details.fallbacks,
    requested_model: details.requested_model,
    record_id: row.id,
  }
}
