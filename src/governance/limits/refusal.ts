import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { formatNanoDollars } from '../../platform/money.ts'
import type { CounterValue } from '../../platform/shared-state/shared-state.ts'
import { limitTypes } from './header-names.ts'
import type { LimitRule, Metric, Scope } from './limit-rule.ts'
import type { PlannedLimit } from './planned-limit.ts'

/** Seconds to wait where a call in flight may free what is needed at any moment. */
const soon = 1

/**
 * A limit refused a call: 429, with the scope, what is counted, the limit, what it stands at, and when it resets. A
 * refused call has used nothing of any limit.
 *
 * `budget_exceeded` is said of money that is spent. Money that calls in flight have only reserved will partly come back:
 * that is `rate_limit_exceeded`, worth another try in a second.
 */
export class LimitExceeded extends GatewayError {
  readonly rule: LimitRule
  readonly value: CounterValue
  /** LiteLLM's headers of a refusal, as lines of the response head. */
  readonly lines: string

  constructor(limit: PlannedLimit, value: CounterValue, now: number) {
    const { rule } = limit
    const most = limit.limit(now)
    const spent = value.used >= most
    const budget = rule.metric === 'budget'
    const retryAfter = waitFor(rule, spent, value, now)
    const resetAt = value.resetAt === undefined ? undefined : new Date(value.resetAt).toISOString()
    super(
      budget && spent ? 'budget_exceeded' : 'rate_limit_exceeded',
      textOf(rule, most, value, spent, retryAfter, resetAt),
      {
        retryAfter,
        details: {
          rate_limit_type: limitTypes[rule.metric],
          scope: rule.scope,
          ...(rule.model === undefined ? {} : { model: rule.model }),
          limit: amount(rule.metric, most),
          current: amount(rule.metric, value.used),
          reserved: amount(rule.metric, value.reserved),
          ...(resetAt === undefined ? {} : { reset_at: resetAt }),
        },
      },
    )
    this.name = 'LimitExceeded'
    this.rule = rule
    this.value = value
    this.lines = `rate_limit_type: ${limitTypes[rule.metric]}\r\n${resetAt === undefined ? '' : `reset_at: ${resetAt}\r\n`}`
  }
}

/** Undefined: it never resets by itself. */
function waitFor(rule: LimitRule, spent: boolean, { resetAt }: CounterValue, now: number): number | undefined {
  if (rule.metric === 'parallel' || (!spent && rule.metric !== 'requests')) return soon
  return resetAt === undefined ? undefined : Math.max(soon, Math.ceil((resetAt - now) / 1000))
}

const subjects: Readonly<Record<Scope, string>> = {
  global: 'this gateway',
  organization: 'your organization',
  team: 'your team',
  team_member: 'you in your team',
  user: 'your user',
  key: 'this key',
  project: 'this project',
  agent: 'this agent',
  session: 'this session',
  end_user: 'this end user',
  tag: 'the tag',
  provider: 'the vendor',
  deployment: 'the deployment',
  model_group: 'the model',
  priority: 'your priority',
}

/** Scopes whose id the caller knows or sent itself; a key's hash or a session's owner says nothing to it. */
const named: ReadonlySet<Scope> = new Set([
  'team',
  'organization',
  'project',
  'end_user',
  'tag',
  'model_group',
  'agent',
])

const units: Readonly<Record<Metric, string>> = {
  requests: 'requests',
  tokens: 'tokens',
  input_tokens: 'input tokens',
  output_tokens: 'output tokens',
  parallel: 'calls in parallel',
  budget: 'US$',
}

function textOf(
  rule: LimitRule,
  most: number,
  value: CounterValue,
  spent: boolean,
  retryAfter: number | undefined,
  resetAt: string | undefined,
): string {
  const who = named.has(rule.scope) ? `${subjects[rule.scope]} '${rule.scopeId.slice(0, 100)}'` : subjects[rule.scope]
  const model = rule.model === undefined ? '' : ` for model '${rule.model.slice(0, 100)}'`
  if (rule.metric === 'budget') {
    const numbers = `Current cost: ${dollars(value.used)}, Max budget: ${dollars(most)}`
    if (!spent) {
      return `The budget of ${who}${model} is reserved by calls in flight. ${numbers}, reserved: ${dollars(value.reserved)}. Try again in a moment.`
    }
    const until = resetAt === undefined ? 'It does not reset by itself.' : `It resets at ${resetAt}.`
    return `Budget has been exceeded! The budget of ${who}${model} is spent. ${numbers}. ${until}`
  }
  const per =
    rule.window === undefined
      ? ''
      : ` per ${rule.window.kind === 'seconds' ? `${rule.window.seconds} s` : rule.window.duration}`
  const state =
    spent || rule.metric === 'requests' || rule.metric === 'parallel' ? 'in use' : 'reserved by calls in flight'
  const again = retryAfter === undefined ? '' : ` Try again in ${retryAfter} s.`
  return `Rate limit exceeded for ${who}${model}: ${most} ${units[rule.metric]}${per} are ${state}.${again}`
}

const dollars = (nano: number): string =>
  Number.isFinite(nano) ? formatNanoDollars(Math.min(nano, Number.MAX_SAFE_INTEGER)) : '∞'

/** As the API writes it: dollars for money. */
const amount = (metric: Metric, value: number): number => (metric === 'budget' ? value / 1_000_000_000 : value)
