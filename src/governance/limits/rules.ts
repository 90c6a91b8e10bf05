import { formatDuration, parseDuration } from './durations.ts'
import type { LimitRule, LimitWindow, Metric, Scope } from './limit-rule.ts'
import { countOf, dollarsOf, firstOf, type LimitSettings, momentOf, recordAt, recordsAt } from './limit-values.ts'

/** Seconds of `rpm_limit`, `tpm_limit` and the like. */
const rateWindow = 60
/** Seconds a session's caps count from its first call (LiteLLM's default). */
const sessionWindow = 3600

export const metrics = ['requests', 'tokens', 'input_tokens', 'output_tokens', 'parallel', 'budget'] as const

/** Which of LiteLLM's fields hold the rates of an object. Where a scope has words of its own, they win. */
const rateFields: readonly (readonly [Metric, readonly string[]])[] = [
  ['requests', ['rpm_limit', 'rpm']],
  ['tokens', ['tpm_limit', 'tpm']],
  ['input_tokens', ['itpm_limit', 'itpm']],
  ['output_tokens', ['otpm_limit', 'otpm']],
]

/** Per model within an object: `model_rpm_limit: { "gpt-5": 10 }`; LiteLLM keeps them in `metadata`. */
const modelRateFields: readonly (readonly [Metric, string])[] = [
  ['requests', 'model_rpm_limit'],
  ['tokens', 'model_tpm_limit'],
  ['input_tokens', 'model_itpm_limit'],
  ['output_tokens', 'model_otpm_limit'],
]

/**
 * The limits an object states, from its settings under LiteLLM's field names. Settings of a budget tier (`budget_id`) are
 * laid under the object's own by the caller. Pure; what is malformed is left out (`limitProblems` finds it beforehand).
 * @param resetAt end of the running budget window, epoch ms, as the object's row has it
 */
export function rulesOf(scope: Scope, id: string, settings: LimitSettings, resetAt?: number): LimitRule[] {
  const rules = new Rules(scope, id)
  const metadata = recordAt(settings, 'metadata') ?? {}
  const from = scope === 'agent' ? { ...recordAt(settings, 'litellm_params'), ...settings } : settings
  for (const [metric, names] of rateFields) rules.rate(metric, countOf(firstOf(from, ...wordsOf(scope, names))))
  rules.add('parallel', countOf(firstOf(from, 'max_parallel_requests')), undefined, undefined)
  addBudget(rules, scope, from, metadata, resetAt)
  for (const entry of recordsAt(from, 'budget_limits')) {
    const window = calendarWindow(entry['budget_duration'], momentOf(entry['reset_at']))
    rules.add('budget', dollarsOf(entry['max_budget']), window, undefined)
  }
  for (const entry of recordsAt(from, 'limits')) addNamed(rules, entry)
  for (const [metric, name] of modelRateFields) {
    const perModel = recordAt(from, name) ?? recordAt(metadata, name) ?? {}
    for (const [model, limit] of Object.entries(perModel)) rules.rate(metric, countOf(limit), model)
  }
  addModelBudgets(rules, recordAt(from, 'model_max_budget') ?? recordAt(metadata, 'model_max_budget'))
  if (scope === 'key' || scope === 'agent')
    return [...rules.list(), ...sessionRules(scope, id, { ...metadata, ...from })]
  return rules.list()
}

/** The caps of a single session, LiteLLM's for agents; a key without an agent may have them in its metadata. */
function sessionRules(scope: Scope, id: string, settings: LimitSettings): readonly LimitRule[] {
  const rules = new Rules('session', `${scope}:${id}`)
  const window: LimitWindow = { kind: 'seconds', seconds: sessionWindow }
  rules.add('requests', countOf(firstOf(settings, 'max_iterations')), window, undefined)
  rules.add('budget', dollarsOf(firstOf(settings, 'max_budget_per_session')), window, undefined)
  rules.rate('requests', countOf(firstOf(settings, 'session_rpm_limit')))
  rules.rate('tokens', countOf(firstOf(settings, 'session_tpm_limit')))
  return rules.list()
}

/** A team's settings hold its members' limits too (`team_member_rpm_limit`): they are the members', not the team's. */
const wordsOf = (scope: Scope, names: readonly string[]): readonly string[] =>
  scope === 'team_member' ? [...names.map(name => `team_member_${name}`), ...names] : names

function addBudget(
  rules: Rules,
  scope: Scope,
  settings: LimitSettings,
  metadata: LimitSettings,
  resetAt: number | undefined,
): void {
  const names = scope === 'team_member' ? ['max_budget_in_team', 'team_member_budget'] : []
  let limit = dollarsOf(firstOf(settings, ...names, 'max_budget', 'budget_limit'))
  // For the whole proxy, 0 is LiteLLM's "no budget"; everywhere else it means that nothing may be spent.
  if (scope === 'global' && limit === 0) limit = undefined
  const softLimit = dollarsOf(firstOf(settings, 'soft_budget'))
  if (limit === undefined && softLimit === undefined) return
  const duration = firstOf(settings, ...wordsOf(scope, ['budget_duration', 'time_period']))
  rules.add('budget', limit ?? Number.POSITIVE_INFINITY, calendarWindow(duration, resetAt), undefined, {
    softLimit,
    raise: temporaryRaise({ ...metadata, ...settings }),
    inRow: true,
    ...(scope === 'key' && settings['throttle_on_budget_exceeded'] === true ? { throttles: true } : {}),
  })
}

function temporaryRaise(settings: LimitSettings): LimitRule['raise'] {
  const amount = dollarsOf(firstOf(settings, 'temp_budget_increase'))
  const until = momentOf(firstOf(settings, 'temp_budget_expiry'))
  return amount === undefined || until === undefined ? undefined : { amount, until }
}

/** `model_max_budget: { "gpt-5": { max_budget, budget_duration, rpm_limit, tpm_limit } }`, or a bare amount. */
function addModelBudgets(rules: Rules, models: LimitSettings | undefined): void {
  for (const [model, value] of Object.entries(models ?? {})) {
    const settings = typeof value === 'object' && value !== null ? (value as LimitSettings) : { max_budget: value }
    const window = calendarWindow(firstOf(settings, 'budget_duration', 'time_period'), undefined)
    rules.add('budget', dollarsOf(firstOf(settings, 'max_budget', 'budget_limit')), window, model)
    rules.rate('requests', countOf(settings['rpm_limit']), model)
    rules.rate('tokens', countOf(settings['tpm_limit']), model)
  }
}

/** An entry of `limits`: `{ metric, limit, window, model? }`, RouteIQ's own list for any number of windows. */
function addNamed(rules: Rules, entry: LimitSettings): void {
  const metric = metrics.find(name => name === entry['metric'])
  if (metric === undefined) return
  const limit = metric === 'budget' ? dollarsOf(entry['limit']) : countOf(entry['limit'])
  const model = typeof entry['model'] === 'string' ? entry['model'] : undefined
  if (metric === 'parallel') rules.add(metric, limit, undefined, model)
  else if (metric === 'budget') rules.add(metric, limit, calendarWindow(entry['window'], undefined), model)
  else rules.add(metric, limit, rateWindowOf(entry['window']), model)
}

/** Up to a day a rate's window begins with its first call; days and longer follow the calendar. */
function rateWindowOf(value: unknown): LimitWindow {
  const duration = parseDuration(value) ?? { unit: 'ms', length: rateWindow * 1000 }
  return duration.unit === 'ms'
    ? { kind: 'seconds', seconds: duration.length / 1000 }
    : { kind: 'calendar', duration: formatDuration(duration), resetAt: undefined }
}

function calendarWindow(value: unknown, resetAt: number | undefined): LimitWindow | undefined {
  const duration = parseDuration(value)
  return duration === undefined ? undefined : { kind: 'calendar', duration: formatDuration(duration), resetAt }
}

/**
 * Rules of one object, one for each thing counted: where two settings speak of the same counter (`max_budget` and an entry
 * of `budget_limits` of equal length), the tighter limit holds.
 */
class Rules {
  readonly #scope: Scope
  readonly #scopeId: string
  readonly #rules = new Map<string, LimitRule>()

  constructor(scope: Scope, scopeId: string) {
    this.#scope = scope
    this.#scopeId = scopeId
  }

  rate(metric: Metric, limit: number | undefined, model?: string): void {
    this.add(metric, limit, { kind: 'seconds', seconds: rateWindow }, model)
  }

  add(
    metric: Metric,
    limit: number | undefined,
    window: LimitWindow | undefined,
    model: string | undefined,
    more: Pick<LimitRule, 'softLimit' | 'raise' | 'inRow' | 'throttles'> = {},
  ): void {
    if (limit === undefined) return
    const rule: LimitRule = { scope: this.#scope, scopeId: this.#scopeId, metric, limit, window, model, ...more }
    const counted = counterOf(rule)
    const other = this.#rules.get(counted)
    this.#rules.set(counted, other === undefined ? rule : { ...other, limit: Math.min(other.limit, limit) })
  }

  list(): LimitRule[] {
    return [...this.#rules.values()]
  }
}

/** Ids and tags come from callers: one with separators in it must not name another's counter. */
const named = (id: string): string =>
  id.includes(':') || id.includes('%') ? id.replaceAll('%', '%25').replaceAll(':', '%3A') : id

/** Name of a rule's counter in shared state: whose, what, over which window, for which model. */
export function counterOf({ scope, scopeId, metric, window, model }: LimitRule): string {
  const length =
    window === undefined ? 'all' : window.kind === 'seconds' ? `${window.seconds}s` : `per-${window.duration}`
  return `${scope}:${named(scopeId)}:${metric}:${length}${model === undefined ? '' : `:${model}`}`
}

/** What is wrong with the limits an object is to be given; management refuses it with these words. */
export function limitProblems(settings: LimitSettings): string[] {
  const problems: string[] = []
  const counts = ['rpm_limit', 'tpm_limit', 'itpm_limit', 'otpm_limit', 'max_parallel_requests']
  const amounts = ['max_budget', 'soft_budget', 'max_budget_in_team', 'team_member_budget', 'temp_budget_increase']
  for (const name of [...counts, ...amounts]) {
    const value = firstOf(settings, name)
    if (value !== undefined && !isAmount(value)) problems.push(`'${name}' must be a number of 0 or more`)
  }
  for (const name of ['budget_duration', 'team_member_budget_duration']) checkDuration(settings, name, name, problems)
  for (const [index, entry] of recordsAt(settings, 'budget_limits').entries()) {
    const path = `budget_limits[${index}]`
    if (!isAmount(entry['max_budget'])) problems.push(`'${path}.max_budget' must be a number of 0 or more`)
    if (entry['budget_duration'] === undefined) problems.push(`'${path}.budget_duration' is missing: "1d", "30d", …`)
    checkDuration(entry, 'budget_duration', `${path}.budget_duration`, problems)
  }
  for (const [index, entry] of recordsAt(settings, 'limits').entries()) {
    const path = `limits[${index}]`
    if (!metrics.some(name => name === entry['metric'])) {
      problems.push(`'${path}.metric' must be one of ${metrics.join(', ')}`)
    }
    if (!isAmount(entry['limit'])) problems.push(`'${path}.limit' must be a number of 0 or more`)
    checkDuration(entry, 'window', `${path}.window`, problems)
  }
  return problems
}

const isAmount = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0

function checkDuration(settings: LimitSettings, name: string, path: string, problems: string[]): void {
  const value = firstOf(settings, name)
  if (value !== undefined && parseDuration(value) === undefined) {
    problems.push(`'${path}' must be a duration such as "30s", "30m", "12h", "1d", "30d" or "1mo"`)
  }
}
