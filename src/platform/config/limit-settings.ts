import { z } from 'zod'
import { defaulted, key, section } from './section.ts'
import { amount, count, flag, name, names, positiveCount } from './values.ts'

/** LiteLLM's durations. `governance/limits/durations.ts` says what they mean. */
const duration = z
  .string()
  .regex(/^\d{1,9}\s*(mo|[smhdwy])?$/i, 'must be a duration such as "30m", "1d", "30d" or "1mo"')

const timeZone = z.string().refine(isTimeZone, 'must be an IANA time zone such as "Europe/Berlin"')

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }) !== undefined
  } catch {
    return false
  }
}

const timeOfDay = z.string().regex(/^([01]?\d|2[0-3]):[0-5]\d$/, 'must be a time of day, "HH:MM"')

/** A budget of a vendor or a tag; LiteLLM knows each field by two names. */
const periodBudget = section({
  max_budget: key(amount, 'The most that may be spent in a period.', { unit: 'US$' }),
  budget_limit: key(amount, 'Same as max_budget.', { unit: 'US$' }),
  budget_duration: key(duration, 'The period. Default: it never resets.'),
  time_period: key(duration, 'Same as budget_duration.'),
})

/** Places that alerts are sent to today. */
export const activeAlerting: ReadonlySet<string> = new Set(['webhook', 'slack'])

/** In `general_settings`. */
export const generalLimits = {
  alerting: key(
    names,
    'Where alerts about budgets go. Active: webhook (to the URL in WEBHOOK_URL) and slack (SLACK_WEBHOOK_URL), read at start. The others, email among them, are known and do nothing yet.',
    { default: [] },
  ),
  max_parallel_requests: key(positiveCount, 'Calls in flight of a virtual key that states no limit of its own.'),
  global_max_parallel_requests: key(positiveCount, 'Calls in flight of all processes and replicas together.'),
  token_rate_limit_type: defaulted(z.enum(['total', 'input', 'output']), 'total', 'Which tokens tpm_limit counts.'),
  fail_closed_budget_enforcement: defaulted(
    flag,
    false,
    'Refuse calls with 503 while budgets cannot be checked; same as routeiq.limits.on_state_unavailable.budget: closed.',
  ),
  enforce_fallback_budget: defaulted(flag, true, 'Check limits and budgets again for a fallback group.'),
  disable_budget_reservation: defaulted(
    flag,
    false,
    'Only check budgets before a call, reserve nothing: calls in flight can overdraw them together.',
  ),
  disable_reset_budget: defaulted(flag, false, 'Leave `spend` and `budget_reset_at` of stored objects alone.'),
  scope_spend_list_endpoints_to_caller: defaulted(
    flag,
    true,
    'Callers see their own spend only in /spend/keys and /spend/users. false: all of it.',
  ),
  proxy_budget_rescheduler_min_time: defaulted(amount, 597, 'Least pause between looks for ended budget periods.', {
    unit: 's',
  }),
  proxy_budget_rescheduler_max_time: defaulted(amount, 605, 'Longest pause between them.', { unit: 's' }),
}

const share = z.union([
  amount,
  section({
    type: key(z.enum(['percent', 'rpm', 'tpm']), 'What value counts.', { default: 'percent' }),
    value: key(amount, 'Part of the capacity (0.9 = 90 %), requests or tokens per minute.', { default: 1 }),
  }),
])

/** In `litellm_settings`. */
export const litellmLimits = {
  max_budget: key(amount, 'Spend limit of the whole gateway; 0 = none.', { default: 0, unit: 'US$' }),
  budget_duration: key(duration, 'Period of max_budget. Default: it never resets.'),
  budget_reset_time: key(timeOfDay, 'Time of day at which periods of days, weeks and months begin.', {
    default: '00:00',
  }),
  timezone: key(timeZone, 'Time zone of budget periods.', { default: 'UTC' }),
  default_soft_budget: key(
    amount,
    'Spend at which an alert about a new key is sent, where the key states none. Default: none.',
    { unit: 'US$' },
  ),
  budget_exceeded_throttle_percentage: key(
    z.number().gt(0).max(1),
    'Part of its rpm_limit and tpm_limit (0.1 = 10 %) that a key with `throttle_on_budget_exceeded` keeps when its budget is spent. Default: it is refused.',
  ),
  max_end_user_budget: key(amount, 'Spend limit of every end user without a budget of its own.', { unit: 'US$' }),
  max_end_user_budget_id: key(name, 'Budget (`/budget/new`) of every end user without one of its own.'),
  tag_budget_config: key(z.record(name, periodBudget), 'Tag → budget.'),
  priority_reservation: key(
    z.record(name, share),
    'Priority → share of a model group’s rpm and tpm; keys and teams name theirs in `metadata.priority`.',
  ),
  priority_reservation_settings: key(
    section({
      default_priority: defaulted(amount, 0.25, 'Share of all callers without a priority, together.'),
      saturation_threshold: defaulted(amount, 0.5, 'Part of the capacity in use from which shares are strict.'),
      saturation_check_cache_ttl: defaulted(amount, 60, 'How long an observed saturation counts.', { unit: 's' }),
    }),
    'When shares are strict.',
  ),
}

/** In `router_settings`. */
export const providerBudgets = key(
  z.record(name, periodBudget),
  'Vendor → budget; deployments of a vendor over it are skipped.',
)

/** In `litellm_params`. */
export const deploymentLimits = {
  itpm: key(count, 'Input tokens per minute; a limit where rpm and tpm are.', { unit: 'tokens/min' }),
  otpm: key(count, 'Output tokens per minute; a limit where rpm and tpm are.', { unit: 'tokens/min' }),
  max_budget: key(amount, 'Spend limit of this deployment; over it, it is skipped.', { unit: 'US$' }),
  budget_duration: key(duration, 'Period of max_budget. Default: it never resets.'),
}

const failMode = z.enum(['open', 'closed'])
/** A renewal goes out three times in a lease's life: below two seconds a busy process could miss them all. */
const leaseSeconds = z.number().min(2).max(3600)

/** `routeiq.limits`. */
export const routeiqLimits = section({
  max_reservation: key(amount, 'The most a single call reserves of a budget. Default: its worst case, however large.', {
    unit: 'US$',
  }),
  default_output_tokens: defaulted(
    positiveCount,
    1024,
    'Output tokens reserved of token limits for a call that states no maximum.',
    { unit: 'tokens' },
  ),
  block_requests_for_models_without_pricing: defaulted(
    flag,
    false,
    'Refuse calls to models whose price is not known: no budget could count them.',
  ),
  lease_seconds: defaulted(
    leaseSeconds,
    60,
    'How long a process that was killed keeps what its calls had reserved; read at start. Calls that run longer renew it.',
    { unit: 's' },
  ),
  on_state_unavailable: {
    schema: section({
      rate: defaulted(failMode, 'open', 'Requests, tokens, calls in parallel.'),
      budget: key(failMode, 'Budgets. Default: open, closed with fail_closed_budget_enforcement.', { default: 'open' }),
    }).prefault({}),
    info: {
      status: 'active',
      description:
        'While shared state is away: open = each process counts for itself, closed = calls with such limits get 503.',
    },
  },
})
