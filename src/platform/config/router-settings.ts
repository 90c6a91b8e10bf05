import { z } from 'zod'
import { defaultDeploymentParams } from './deployment-params.ts'
import { learnedArgs } from './learned-routing-settings.ts'
import { learnedStrategies, strategyAdvice } from './learned-strategies.ts'
import { providerBudgets } from './limit-settings.ts'
import { allowedFailsPolicy, fallbackList, retryPolicy } from './router-policies.ts'
import { advice, defaulted, ignored, key, later, laterControl, required, section } from './section.ts'
import { count, flag, name, names, positiveCount, seconds, secret } from './values.ts'

const redisNodes = z.array(z.object({ host: name, port: positiveCount })).min(1)

export const routingStrategies = [
  'simple-shuffle',
  'least-busy',
  'latency-based-routing',
  'cost-based-routing',
  'usage-based-routing',
  'usage-based-routing-v2',
  ...learnedStrategies,
] as const

const routingStrategy = z.enum(routingStrategies)
advice.set(routingStrategy, strategyAdvice)

export type RoutingStrategy = (typeof routingStrategies)[number]

export const preCallChecks = [
  'prompt_caching',
  'router_budget_limiting',
  'responses_api_deployment_check',
  'encrypted_content_affinity',
  'deployment_affinity',
  'session_affinity',
  'forward_client_headers_by_model_group',
  'enforce_model_rate_limits',
] as const

/** The pre-call checks that act today. */
export const activePreCallChecks: ReadonlySet<string> = new Set([
  'prompt_caching',
  'enforce_model_rate_limits',
  'router_budget_limiting',
])

const strategyArgs = section({
  ttl: key(seconds, 'How long a measured latency counts.', { default: 3600, unit: 's' }),
  lowest_latency_buffer: key(
    seconds,
    'Pick at random among deployments whose latency is at most this share above the best; 0.1 = 10 %.',
    { default: 0 },
  ),
  max_latency_list_size: key(positiveCount, 'Measurements kept per deployment.', { default: 10 }),
  ...learnedArgs,
})

const aliasTarget = z.union([
  name,
  section({
    model: required(name, 'Model group the alias stands for.'),
    hidden: key(flag, 'Leave the alias out of /v1/models.', { default: false }),
  }),
])

export const modelGroupAlias = z.record(z.string(), aliasTarget)

/** Fallback keys stand in `router_settings` and in `litellm_settings`; `router_settings` wins. */
export const reliability = {
  num_retries: key(count, 'Retries per model group before its fallbacks are tried.', { default: 2 }),
  fallbacks: key(fallbackList, 'Groups to try after retries: `[{group: [other, …]}]`; group `*` stands for all.', {
    default: [],
  }),
  context_window_fallbacks: key(fallbackList, 'Groups to try when the prompt is too long.', { default: [] }),
  content_policy_fallbacks: key(fallbackList, 'Groups to try when the vendor’s safety filter refuses.', {
    default: [],
  }),
  default_fallbacks: key(names, 'Groups to try for every group without a list of its own.', { default: [] }),
  max_fallbacks: key(count, 'Fallback groups tried per call.', { default: 5 }),
  allowed_fails: key(count, 'Failures per minute before a deployment is paused.', { default: 3 }),
  cooldown_time: key(seconds, 'How long a failing deployment is paused.', { default: 5, unit: 's' }),
}

export const routerSettings = section(
  {
    routing_strategy: defaulted(
      routingStrategy,
      'simple-shuffle',
      'How a deployment is chosen inside a group. The learned ones choose among models: docs/learned-routing.md.',
    ),
    routing_strategy_args: key(strategyArgs, 'Settings of latency-based-routing and of learned strategies; see below.'),
    ...reliability,
    timeout: key(seconds, 'Longest time for a call; beats litellm_settings.request_timeout.', {
      default: 600,
      unit: 's',
    }),
    stream_timeout: key(seconds, 'The same for streamed calls. Default: timeout.', { unit: 's' }),
    ttft_timeout: key(seconds, 'Longest wait for the first token of a stream. Default: off.', { unit: 's' }),
    stream_idle_timeout: key(seconds, 'Longest pause between two parts of a stream. Default: off.', { unit: 's' }),
    retry_after: defaulted(seconds, 0, 'Shortest wait before a retry on the same deployment.', { unit: 's' }),
    retry_policy: key(retryPolicy, 'Retries by kind of failure; see below.'),
    model_group_retry_policy: key(z.record(z.string(), retryPolicy), 'Group → retry_policy.'),
    allowed_fails_policy: key(allowedFailsPolicy, 'Tolerated failures by kind; see below.'),
    disable_cooldowns: defaulted(flag, false, 'Never pause a failing deployment.'),
    enable_pre_call_checks: defaulted(
      flag,
      false,
      'Drop deployments whose context window or features do not fit the call.',
    ),
    optional_pre_call_checks: key(
      z.array(z.enum(preCallChecks)),
      'Further checks. Active: prompt_caching (stay where the vendor has cached the prompt), enforce_model_rate_limits (rpm and tpm are caps), router_budget_limiting (always on where a budget is set). The others are known, not active yet.',
      { default: [] },
    ),
    provider_budget_config: providerBudgets,
    model_group_alias: key(modelGroupAlias, 'Alias → group, or {model, hidden}.', { default: {} }),
    default_litellm_params: key(defaultDeploymentParams, 'Parameters for deployments that do not set them.'),
    default_max_parallel_requests: key(
      positiveCount,
      'max_parallel_requests for deployments without one. Default: no limit.',
    ),
    redis_host: key(
      name,
      'Redis or Valkey that replicas share limits, locks and messages through. Default: REDIS_HOST.',
    ),
    redis_port: key(positiveCount, 'Its port. Default: REDIS_PORT.', { default: 6379 }),
    redis_username: key(name, 'Its user. Default: REDIS_USERNAME.'),
    redis_password: key(secret, 'Its password. Default: REDIS_PASSWORD.'),
    redis_db: key(count, 'Its database number. Default: REDIS_DB.', { default: 0 }),
    redis_url: key(
      secret,
      '`redis://user:password@host:6379/0`, `rediss://…` with TLS, `unix:///path`; wins over the keys above. Default: REDIS_URL.',
    ),
    redis_startup_nodes: key(redisNodes, 'Nodes of a Redis Cluster: `[{host, port}]`. Default: REDIS_CLUSTER_NODES.'),
    ignore_invalid_deployments: defaulted(
      flag,
      false,
      'Skip a broken model_list entry with a warning instead of refusing the config.',
    ),
  },
  {
    ...later({
      routing_groups: 'Routing strategy per group.',
      weights: 'Weights by group.',
      cache_responses: ['Cache answers.', false],
      cache_kwargs: 'Settings of the answer cache.',
      caching_groups: 'Groups that share cached answers.',
      enable_weighted_failover: ['Pick again inside the group before leaving it.', false],
      deployment_affinity_ttl_seconds: ['Life of an affinity.', 3600],
      model_group_affinity_config: 'Affinity checks per group.',
      keepalive_seconds: 'Seconds between comment lines that keep a silent stream open.',
      enable_tag_filtering: ['Route by tags.', false],
      tag_filtering_match_any: ['One matching tag is enough.', true],
      tag_routing_prefix: 'Prefix of tags used for routing.',
      default_priority: 'Priority of calls that name none.',
      assistants_config: 'Settings of the assistants API.',
      search_tools: 'Search tools.',
      alerting_config: 'Alerts from the router.',
    }),
    ...laterControl({
      guardrail_list: 'Guardrails.',
    }),
    ...ignored({
      client_ttl: 'connections are pooled per origin and never rebuilt on a timer',
      polling_interval: 'waiting calls are woken, not polled',
      router_general_settings: 'the gateway is always asynchronous; use `*` in model_list to pass all models through',
      set_verbose: 'use routeiq.log_level',
      debug_level: 'use routeiq.log_level',
    }),
  },
)

export type RouterSettings = z.output<typeof routerSettings>
export type AliasTarget = z.output<typeof aliasTarget>
export type StrategyArgs = z.output<typeof strategyArgs>
export const routingStrategyArgs = strategyArgs
