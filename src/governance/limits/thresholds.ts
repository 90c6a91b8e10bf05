import { formatNanoDollars, nanoPerDollar } from '../../platform/money.ts'
import type { SharedState } from '../../platform/shared-state/shared-state.ts'
import type { Principal } from '../authentication/principal.ts'
import type { AlertEvent, Alerts } from './alerts.ts'
import type { LimitRule, Scope } from './limit-rule.ts'
import type { PlannedLimit } from './planned-limit.ts'

/** Parts of a budget at whose crossing somebody is told: LiteLLM's 80 % (mail), 85 % and 95 %. */
const parts = [0.8, 0.85, 0.95] as const

interface Threshold {
  readonly at: number
  readonly name: string
  readonly event: AlertEvent['event']
}

/** Milliseconds a never-resetting budget's alert is remembered. */
const longest = 30 * 86_400_000
/** Counters whose crossings are remembered in this process; beyond it shared state alone remembers. */
const maxRemembered = 10_000

/**
 * Tells of budgets that pass a threshold: once per threshold and window, whichever process sees it first. A call costs one
 * comparison as long as nothing is crossed.
 */
export class Thresholds {
  readonly #alerts: Alerts
  readonly #state: Pick<SharedState, 'increment'>
  /** Counter → the amount at which there is something new to tell, and until when that holds. */
  readonly #next = new Map<string, { at: number; until: number }>()

  constructor(alerts: Alerts, state: Pick<SharedState, 'increment'>) {
    this.#alerts = alerts
    this.#state = state
  }

  /** @param used nano-dollars spent in the window @param now epoch ms */
  observe(planned: PlannedLimit, used: number, resetAt: number | undefined, principal: Principal, now: number): void {
    const limit = planned.limit(now)
    const { softLimit } = planned.rule
    if (used <= 0 || (used < limit * parts[0] && !(softLimit !== undefined && used >= softLimit))) return
    const remembered = this.#next.get(planned.counter)
    if (remembered !== undefined && now < remembered.until && used < remembered.at) return
    const all = thresholdsOf(limit, softLimit)
    const next = all.find(({ at }) => at > used)?.at ?? Number.POSITIVE_INFINITY
    if (this.#next.size >= maxRemembered) this.#next.clear()
    this.#next.set(planned.counter, { at: next, until: resetAt ?? Number.POSITIVE_INFINITY })
    const ttl = Math.max(1000, Math.min(longest, (resetAt ?? now + longest) - now))
    for (const threshold of all) {
      if (threshold.at > used) break
      void this.#tell(planned, threshold, used, limit, resetAt, ttl, principal)
    }
  }

  async #tell(
    planned: PlannedLimit,
    threshold: Threshold,
    used: number,
    limit: number,
    resetAt: number | undefined,
    ttl: number,
    principal: Principal,
  ): Promise<void> {
    const mark = `alert:${planned.counter}:${threshold.name}:${threshold.at}:${resetAt ?? 'ever'}`
    try {
      if ((await this.#state.increment(mark, ttl)) !== 1) return
    } catch {
      // Rather told twice than not at all.
    }
    this.#alerts.emit(eventOf(planned.rule, threshold, used, limit, principal))
  }
}

/** Ascending. */
function thresholdsOf(limit: number, softLimit: number | undefined): readonly Threshold[] {
  const all: Threshold[] = []
  if (softLimit !== undefined) all.push({ at: softLimit, name: 'soft', event: 'soft_budget_crossed' })
  if (Number.isFinite(limit)) {
    for (const part of parts) {
      const event = part === parts[0] ? 'max_budget_alert' : 'threshold_crossed'
      all.push({ at: Math.ceil(limit * part), name: `${part * 100}`, event })
    }
    all.push({ at: limit, name: 'max', event: 'budget_crossed' })
  }
  return all.sort((a, b) => a.at - b.at)
}

const groups: Readonly<Record<Scope, AlertEvent['event_group']>> = {
  global: 'proxy',
  organization: 'organization',
  team: 'team',
  team_member: 'team_member',
  user: 'user',
  key: 'key',
  project: 'project',
  agent: 'agent',
  session: 'agent',
  end_user: 'end_user',
  tag: 'tag',
  provider: 'provider',
  deployment: 'deployment',
  model_group: 'proxy',
  priority: 'proxy',
}

function eventOf(rule: LimitRule, threshold: Threshold, used: number, limit: number, principal: Principal): AlertEvent {
  const group = groups[rule.scope]
  const of = Number.isFinite(limit) ? ` of ${formatNanoDollars(limit)} US$` : ''
  const what =
    threshold.event === 'soft_budget_crossed'
      ? 'soft budget'
      : `${threshold.name === 'max' ? '100' : threshold.name} % of its budget`
  return {
    event: threshold.event,
    event_group: group,
    event_message: `${group}${rule.model === undefined ? '' : ` (${rule.model})`} crossed ${what}: ${formatNanoDollars(used)}${of} spent`,
    spend: used / nanoPerDollar,
    max_budget: Number.isFinite(limit) ? limit / nanoPerDollar : null,
    soft_budget: rule.softLimit === undefined ? null : rule.softLimit / nanoPerDollar,
    // Of the caller only what belongs to the budget: the team's mail need not name the member who happened to call.
    token: rule.scope === 'key' ? principal.token : null,
    customer_id: rule.scope === 'end_user' ? rule.scopeId : null,
    user_id: personal.has(rule.scope) ? (principal.userId ?? null) : null,
    team_id: inTeam.has(rule.scope) ? (principal.teamId ?? null) : null,
    team_alias: inTeam.has(rule.scope) ? (principal.teamAlias ?? null) : null,
    organization_id: rule.scope === 'global' ? null : (principal.organizationId ?? null),
    user_email: personal.has(rule.scope) ? (principal.userEmail ?? null) : null,
    key_alias: rule.scope === 'key' ? (principal.keyAlias ?? null) : null,
    projected_exceeded_date: null,
    projected_spend: null,
  }
}

const personal: ReadonlySet<Scope> = new Set(['key', 'user', 'team_member'])
const inTeam: ReadonlySet<Scope> = new Set(['key', 'team', 'team_member', 'project', 'agent'])
