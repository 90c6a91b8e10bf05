import { z } from 'zod'
import { capabilities } from './capability-keys.ts'
import { deploymentParams } from './deployment-params.ts'
import { laterPriceKeys, priceFamily, priceKeys } from './price-keys.ts'
import { allowedFailsPolicy } from './router-policies.ts'
import { key, later, laterControl, openSection, required, section } from './section.ts'
import { count, name, positiveCount, seconds, text, texts } from './values.ts'

const inactive = {
  ...laterPriceKeys,
  ...later({
    tier: 'Free or paid tier of the deployment.',
    team_id: 'Team that owns the model.',
    team_public_model_name: 'Name of the model inside its team.',
    discoverable: 'Listed in the model hub.',
    enable_tag_filtering: 'Tag routing for this group.',
    allow_fail_open: 'Ignore tags when nothing matches.',
    ptu_count: 'Provisioned throughput units.',
    cost_per_ptu_per_hour: 'Price of a provisioned unit.',
    ptu_effective_from: 'Start of the provisioned units.',
    ptu_effective_to: 'End of the provisioned units.',
    internal_router_model: 'Write the routing decision into the spend log.',
    disable_background_health_check: 'Leave this deployment out of the health probe.',
    health_check_timeout: 'Time limit of the probe.',
    health_check_model: 'Model used by the probe.',
    health_check_voice: 'Voice used by the probe.',
    health_check_max_tokens: 'Output limit of the probe.',
  }),
  ...laterControl({
    access_windows: 'Hours in which the model may be used.',
    blocked: 'Pause the deployment.',
    supported_environments: 'Load only in these environments.',
  }),
}

export const modelInfo = openSection(
  {
    id: key(name, 'Deployment id, `x-litellm-model-id`. Default: a hash of the parameters, stable over restarts.'),
    mode: key(text, 'Kind of model: chat, completion, embedding, ….'),
    base_model: key(name, 'Price-map name of a model that hides behind a deployment name (Azure).'),
    max_tokens: key(positiveCount, 'Output limit where max_output_tokens is absent.', { unit: 'tokens' }),
    max_input_tokens: key(positiveCount, 'Context window; checked when enable_pre_call_checks is on.', {
      unit: 'tokens',
    }),
    max_output_tokens: key(positiveCount, 'Longest answer.', { unit: 'tokens' }),
    quality_score: key(
      z.number().min(0).max(1),
      'How good the model is, 0..1, for routing before anything was learned.',
    ),
    adaptive_router_preferences: key(
      section({
        quality_tier: key(z.int().min(1).max(3), '1 (weakest) to 3.'),
        strengths: key(texts, 'Kinds of request it is good at; not used.'),
      }),
      'What LiteLLM’s adaptive router is told; read as quality_score.',
    ),
    access_groups: key(texts, 'Access groups the model belongs to; keys and teams may be granted a group by its name.'),
    reasoning_effort_levels: key(texts, 'Effort words the model accepts.'),
    allowed_fails: key(count, 'Failures per minute before this deployment is paused.'),
    allowed_fails_policy: key(allowedFailsPolicy, 'The same by kind of failure.'),
    cooldown_time: key(seconds, 'Pause after failures; litellm_params.cooldown_time wins.', { unit: 's' }),
    ...capabilities,
    ...priceKeys,
  },
  inactive,
  priceFamily,
)

export const modelListEntry = section({
  model_name: required(
    name,
    'Public name. Several entries of one name form a model group; `*` and `vendor/*` are wildcards.',
  ),
  litellm_params: required(deploymentParams, 'How the model is reached; see below.'),
  model_info: key(modelInfo, 'What is known of the model; see below.'),
})

export const modelList = z.array(modelListEntry)

export type ModelInfo = z.output<typeof modelInfo>
export type ModelListEntry = z.output<typeof modelListEntry>
