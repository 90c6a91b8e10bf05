import { z } from 'zod'
import { count, dollars, record, texts } from '../limit-fields.ts'

const limitsByModel = z.record(z.string(), count)

/** Fields of a key that callers may set, under LiteLLM's names; all optional, `null` clears on update. */
export const keyFields = {
  key_alias: z.string().min(1).max(255).nullish(),
  models: texts.nullish().meta({ description: 'Model names, wildcards (`anthropic/*`) or access groups; empty: all.' }),
  aliases: z.record(z.string(), z.string()).nullish().meta({ description: 'The key’s own names for models.' }),
  config: record.nullish(),
  user_id: z.string().max(255).nullish(),
  team_id: z.string().max(255).nullish(),
  organization_id: z.string().max(255).nullish(),
  project_id: z.string().max(255).nullish(),
  agent_id: z.string().max(255).nullish(),
  budget_id: z.string().max(255).nullish(),
  spend: z.number().min(0).nullish().meta({ unit: 'US$' }),
  max_budget: dollars.nullish().meta({ description: 'US$ per `budget_duration`, or in all without one.' }),
  soft_budget: dollars.nullish(),
  budget_duration: z.string().max(20).nullish(),
  budget_limits: z.array(record).max(10).nullish(),
  limits: z.array(record).max(50).nullish(),
  temp_budget_increase: dollars.nullish(),
  temp_budget_expiry: z.string().max(40).nullish(),
  throttle_on_budget_exceeded: z
    .boolean()
    .nullish()
    .meta({ description: 'Slow down instead of refusing when the budget is spent; needs a rate limit.' }),
  max_parallel_requests: count.nullish(),
  tpm_limit: count.nullish(),
  rpm_limit: count.nullish(),
  itpm_limit: count.nullish(),
  otpm_limit: count.nullish(),
  model_rpm_limit: limitsByModel.nullish(),
  model_tpm_limit: limitsByModel.nullish(),
  model_max_budget: record.nullish(),
  rpm_limit_type: z.enum(['guaranteed_throughput', 'best_effort_throughput', 'dynamic']).nullish(),
  tpm_limit_type: z.enum(['guaranteed_throughput', 'best_effort_throughput', 'dynamic']).nullish(),
  permissions: record.nullish(),
  metadata: record.nullish(),
  tags: texts.nullish(),
  blocked: z.boolean().nullish(),
  allowed_cache_controls: z.array(z.unknown()).max(50).nullish(),
  allowed_routes: texts.nullish(),
  allowed_passthrough_routes: z.array(z.unknown()).max(200).nullish(),
  allowed_vector_store_indexes: z.array(record).max(200).nullish(),
  enforced_params: texts.nullish(),
  guardrails: texts.nullish(),
  policies: texts.nullish(),
  prompts: texts.nullish(),
  object_permission: record.nullish(),
  access_group_ids: texts.nullish(),
  router_settings: record.nullish(),
  auto_rotate: z.boolean().nullish(),
  rotation_interval: z.string().max(20).nullish(),
} as const

export const newKeyRequest = z.object({
  ...keyFields,
  key: z.string().max(500).nullish().meta({ description: 'Bring your own key; must begin with `sk-`.' }),
  key_type: z.enum(['default', 'llm_api', 'management', 'read_only']).nullish(),
  duration: z.string().max(20).nullish().meta({ description: 'Life of the key: `30s`, `15m`, `24h`, `30d`, `1mo`.' }),
  send_invite_email: z.boolean().nullish(),
})

export const updateKeyRequest = z.object({
  ...keyFields,
  key: z.string().min(1).max(500).meta({ description: 'The key, or its hash.' }),
  duration: z.string().max(20).nullish().meta({ description: 'New life from now; `-1`: never expires.' }),
})

export type KeyRequest = Omit<z.output<typeof newKeyRequest>, 'key' | 'key_type' | 'send_invite_email'>
export type NewKeyRequest = z.output<typeof newKeyRequest>
export type UpdateKeyRequest = z.output<typeof updateKeyRequest>
