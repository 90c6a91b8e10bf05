import { z } from 'zod'
import { learnedStrategies } from './learned-strategies.ts'
import { defaulted, key, required, section } from './section.ts'
import { amount, count, flag, name, names, positiveCount, seconds, text, textMap, texts } from './values.ts'

const share = z.number().min(0).max(1)

export const strategyPresets = ['quality', 'balanced', 'cheap'] as const
export const cascadeChecks = ['json_schema', 'tool_call_valid', 'not_truncated', 'not_refusal', 'min_logprob'] as const

const artifact = {
  model_path: key(name, 'The artifact: a `.routeiq` file that `routeiq router train` wrote. Pickles are refused.'),
  router: key(name, 'Name under which artifacts are activated, rolled out and rolled back.', { default: 'default' }),
  label_mapping: key(
    textMap,
    'Model of the artifact → `model_name` or `litellm_params.model` here, where names differ.',
  ),
  hot_reload: key(flag, 'Take a changed artifact into use without a reload of the config.', { default: true }),
  reload_interval: key(
    positiveCount,
    'How often the artifact’s content is compared; changes of local files are noticed at once.',
    {
      default: 300,
      unit: 's',
    },
  ),
  llm_data_path: key(
    name,
    'JSON with what is known of models: name → `{quality_score, cost_per_1k_tokens: {input, output}}`; for models no artifact knows.',
  ),
  use_inference_only: key(flag, 'Only `true`: training is a command of its own.', { default: true }),
  config_path: key(
    name,
    'Refused: LLMRouter’s training YAML; its values go into these arguments or to `routeiq router train`.',
  ),
  model_s3_bucket: key(name, 'Refused: fetch the artifact to a file first.'),
  model_s3_key: key(name, 'Refused, as model_s3_bucket is.'),
  embedding_model: key(name, 'Refused: an artifact brings its own features.'),
  embedding_device: key(z.enum(['cpu']), 'Only `cpu`.', { default: 'cpu' }),
}

const objective = {
  preset: key(z.enum(strategyPresets), 'What counts: λ 0, 0.1 or 0.5.', { default: 'balanced' }),
  lambda: key(amount, 'Quality (0..1) given up for saving the mean cost of a call; beats preset.'),
  latency_weight: key(amount, 'The same for the mean time of a call.', { default: 0 }),
  max_cost_per_1k: key(amount, 'Target: US dollars per thousand calls; solved to λ over recent calls.'),
  min_quality_of: key(
    section({
      model: required(name, 'The model to compare with.'),
      share: required(share, 'Share of its mean quality to keep; 0.97.'),
    }),
    'Target: the cheapest way to keep this much of a model’s quality.',
  ),
  max_strong_share: key(share, 'Target: share of calls that may go to strong_model.'),
  strong_model: key(name, 'The strong one of a pair. Default: the model of the highest mean quality.'),
  weak_model: key(name, 'The weak one of a pair. Default: the cheapest model.'),
  max_cost: key(amount, 'Most US dollars one call may be expected to cost.'),
  max_latency_ms: key(amount, 'Longest expected time of a call.', { unit: 'ms' }),
  quality_floor: key(
    section({
      model: required(name, 'The reference.'),
      margin: defaulted(share, 0.05, 'Predicted quality may lie this much below the reference’s.'),
    }),
    'Never a model whose predicted quality is further below the reference’s.',
  ),
  tie: key(share, 'Utilities this close are equal: then cheapest, then fastest.', { default: 0.005 }),
  quality_threshold: key(share, 'llmrouter-cost-aware: least predicted quality.', { default: 0.7 }),
  cost_weight: key(share, 'llmrouter-cost-aware: what cost counts beside quality.', { default: 0.7 }),
  max_cost_per_1k_tokens: key(amount, 'llmrouter-cost-aware: dearest model, US dollars per thousand output tokens.'),
  threshold: key(share, 'llmrouter-hybrid: least probability that the small model is as good.', { default: 0.5 }),
}

const behaviour = {
  cold_start: key(
    z.enum(['heuristic', 'shuffle']),
    'Without an artifact: by price and how hard a prompt looks, or evenly at random, to collect data that a router can be trained and judged on.',
    { default: 'heuristic' },
  ),
  exploration: key(z.number().min(0).max(0.05), 'Share of calls that go to a model near the best, to learn from.', {
    default: 0,
  }),
  exploration_regret: key(share, 'How far below the best such a model may lie.', { default: 0.1 }),
  alpha: key(share, 'llmrouter-linucb: quality that being unknown for prompts of a kind is worth, per √(xᵀA⁻¹x).', {
    default: 0.1,
  }),
  sticky_sessions: key(flag, 'Keep a session’s model unless another is better by more than the lost prompt cache.', {
    default: true,
  }),
  switch_margin: key(share, 'Quality another model must be better by, beyond the cost, to take over a session.', {
    default: 0.03,
  }),
  session_ttl: key(seconds, 'How long a session’s model is remembered.', { default: 3600, unit: 's' }),
  deployment_strategy: key(
    z.enum(['simple-shuffle', 'least-busy', 'latency-based-routing', 'cost-based-routing', 'usage-based-routing']),
    'Orders deployments of the same model.',
    { default: 'simple-shuffle' },
  ),
  time_limit_ms: key(amount, 'A router that takes longer three times in a row is passed over for a second.', {
    default: 20,
    unit: 'ms',
  }),
  module: key(
    name,
    'llmrouter-custom: ES module beside the config, `./router.mjs` (default export) or `./router.mjs:name`.',
  ),
  checks: key(z.array(z.enum(cascadeChecks)), 'Cascades: what an answer must pass, else the next model is asked.', {
    default: ['not_truncated', 'not_refusal', 'json_schema', 'tool_call_valid'],
  }),
  max_rungs: key(positiveCount, 'Cascades: models asked at most.', { default: 4 }),
  max_added_latency_ms: key(amount, 'Cascades: no further model after this time.', { default: 30_000, unit: 'ms' }),
  min_logprob: key(z.number().max(0), 'Check min_logprob: least mean log probability of the answer’s tokens.', {
    default: -1,
  }),
}

/** `routing_strategy_args` of strategies that learn. */
export const learnedArgs = { ...artifact, ...objective, ...behaviour }

const learnedArgsSection = section(learnedArgs)

const intent = section({
  name: required(name, 'Shown in decisions.'),
  models: required(names, 'Model groups, the first being preferred.'),
  examples: required(texts.min(1), 'Prompts of this kind. They are compared by words.'),
  threshold: key(share, 'Least likeness to an example.', { default: 0.35 }),
})

const rule = section({
  name: required(name, 'Shown in decisions.'),
  tags: key(names, 'Any of these request tags.'),
  pattern: key(text, 'Regular expression, looked for in the user’s last turn.'),
  user_agents: key(names, 'Any of these parts of the `User-Agent`.'),
  models: required(names, 'Model groups, the first being preferred; no other is tried.'),
})

const choice = {
  pool: key(names, 'Model groups to choose from. Default: every chat model.'),
  strategy: key(
    z.enum(learnedStrategies),
    'Default: router_settings.routing_strategy where that is one of these, else routeiq-auto with an artifact and centroid without.',
  ),
  strategy_args: key(learnedArgsSection, 'Default: router_settings.routing_strategy_args.'),
  rules: key(z.array(rule), 'Rules that come before anything predicted; the first that matches decides.', {
    default: [],
  }),
  intents: key(z.array(intent), 'Topics told by examples; they come after rules and before predictions.', {
    default: [],
  }),
}

const route = section(choice)

export const overridable = [
  'lambda',
  'preset',
  'target',
  'profile',
  'max_cost',
  'max_latency',
  'allowed_models',
  'session',
  'region',
] as const
export type Overridable = (typeof overridable)[number]

/** `routeiq.routing`. */
export const learnedRouting = section({
  ...choice,
  routes: key(z.record(name, route), 'Routes of your own, called as `router/<name>`; keys left out are as above.', {
    default: {},
  }),
  virtual_models: defaulted(
    flag,
    true,
    'Serve `auto`, `auto:cheap`, `eco`, … where the pool has two models or more. A model_name of yours always wins.',
  ),
  allow_overrides: defaulted(
    z.array(z.enum(overridable)),
    [...overridable],
    'What callers may set per request; anything else of these is refused with 400.',
  ),
  allowed_regions: key(
    names,
    'Regions calls may go to (`litellm_params.region_name`); a deployment without one is out.',
  ),
  artifact_public_keys: key(
    names,
    'Ed25519 public keys, PEM or base64. Once one is here, an artifact without a good signature is refused.',
  ),
  decision_log: defaulted(
    flag,
    false,
    'Write every decision to `decisions.jsonl` in the data directory: numbers and hashes, never text.',
  ),
  decision_log_max_mb: defaulted(positiveCount, 64, 'Size at which the file starts anew; one older file is kept.', {
    unit: 'MB',
  }),
})

/** What a semantic router of LiteLLM is made of. */
export const autoRouterRoute = z.looseObject({
  name,
  utterances: texts,
  score_threshold: z.number().optional(),
})

const tierModels = z.union([name, names])
const tierName = z.enum(['SIMPLE', 'MEDIUM', 'COMPLEX', 'REASONING'])

export const complexityRouter = section({
  tiers: key(
    section({
      SIMPLE: key(tierModels, 'Model group, or several.'),
      MEDIUM: key(tierModels, 'Model group, or several.'),
      COMPLEX: key(tierModels, 'Model group, or several.'),
      REASONING: key(tierModels, 'Model group, or several.'),
    }),
    'Tier → model groups.',
  ),
  default_model: key(name, 'Model group of tiers without one.'),
  tier_boundaries: key(
    section({
      simple_medium: key(z.number(), 'Score from which a prompt is MEDIUM.', { default: 0.15 }),
      medium_complex: key(z.number(), 'COMPLEX.', { default: 0.35 }),
      complex_reasoning: key(z.number(), 'REASONING.', { default: 0.6 }),
    }),
    'Where tiers begin.',
  ),
  token_thresholds: key(
    section({
      simple: key(count, 'Tokens up to which a prompt counts as short.', { default: 15 }),
      complex: key(count, 'Tokens from which it counts as long.', { default: 400 }),
    }),
    'Lengths.',
  ),
  dimension_weights: key(z.record(text, z.number()), 'Weights of the seven dimensions.'),
  code_keywords: key(texts, 'In place of the built-in words.'),
  reasoning_keywords: key(texts, 'In place of the built-in words.'),
  technical_keywords: key(texts, 'In place of the built-in words.'),
  custom_technical_keywords: key(texts, 'Added to the technical words.'),
  simple_keywords: key(texts, 'In place of the built-in words.'),
  escalation_keywords: key(texts, 'Words that send a prompt to REASONING.', { default: ['LITELLM ESCALATE'] }),
  keyword_tier_rules: key(
    z.array(section({ keywords: required(texts, 'Any of these.'), tier: required(tierName, 'Goes here.') })),
    'Words that settle the tier.',
  ),
  session_affinity: key(flag, 'Keep a session’s model.', { default: false }),
  session_affinity_ttl_seconds: key(seconds, 'How long.', { default: 3600, unit: 's' }),
  classifier_type: key(z.enum(['heuristic']), 'Only `heuristic`: no model is asked to classify.', {
    default: 'heuristic',
  }),
})

export const adaptiveRouter = section({
  available_models: required(names, 'Model groups to choose from.'),
  weights: key(
    section({
      quality: key(amount, 'Weight of quality.', { default: 0.7 }),
      cost: key(amount, 'Weight of cost.', { default: 0.3 }),
    }),
    'What counts.',
  ),
})

export type LearnedArgs = z.output<typeof learnedArgsSection>
export type LearnedRoutingSettings = z.output<typeof learnedRouting>
export type RouteSettings = z.output<typeof route>
export type RuleSettings = z.output<typeof rule>
export type IntentSettings = z.output<typeof intent>
export type ComplexityRouterSettings = z.output<typeof complexityRouter>
export type AdaptiveRouterSettings = z.output<typeof adaptiveRouter>
