import { pino } from 'pino'
import type { Principal } from '../../governance/authentication/principal.ts'
import type { AlertEvent } from '../../governance/limits/alerts.ts'
import type { Enforcement } from '../../governance/limits/enforcement.ts'
import type { LimitRule } from '../../governance/limits/limit-rule.ts'
import { LimitPlanner } from '../../governance/limits/plan.ts'
import type { RuleSource } from '../../governance/limits/rule-source.ts'
import { rulesOf } from '../../governance/limits/rules.ts'
import type { SpendSource } from '../../governance/limits/spend-source.ts'
import { Thresholds } from '../../governance/limits/thresholds.ts'
import { Calendar } from '../../governance/limits/windows.ts'
import type { Clock } from '../../platform/clock.ts'
import { MemoryState } from '../../platform/shared-state/memory/memory-state.ts'
import type { CounterValue, SharedState } from '../../platform/shared-state/shared-state.ts'
import type { ModelPrice, PriceRates } from '../../providers/model-price.ts'
import { emptyUsage, type TokenUsage } from '../../translate/token-usage.ts'
import { administrator } from '../identity/master-key.ts'
import { deployment } from '../routing/routing.fixtures.ts'
import type { ModelGroup } from '../routing/types.ts'
import { type Limits, Reservations, type Reserving } from './reserve.ts'

/** Wall-clock time that moves only when told to. */
export class TestClock implements Clock {
  time = Date.UTC(2026, 10, 23, 12)
  now(): number {
    return this.time
  }
  epoch(): number {
    return this.time
  }
  advance(milliseconds: number): void {
    this.time += milliseconds
  }
}

export const silent = pino({ level: 'silent' })

export const enforcement = (changes: Partial<Enforcement> = {}): Enforcement => ({
  calendar: new Calendar(),
  tokenType: 'total',
  globalRules: [],
  defaultParallel: undefined,
  endUserDefaults: undefined,
  endUserBudgetId: undefined,
  tagRules: new Map(),
  providerRules: new Map(),
  priorities: undefined,
  reserveBudgets: true,
  maxReservation: Number.MAX_SAFE_INTEGER,
  defaultOutputTokens: 1024,
  throttleShare: undefined,
  blockUnpriced: false,
  fallbackBudgets: true,
  onStateUnavailable: { rate: 'open', budget: 'open' },
  ...changes,
})

/** The holder of a virtual key with these limits. */
export function holder(limits: readonly LimitRule[], changes: Partial<Principal> = {}): Principal {
  return {
    ...administrator('virtual_key', 'k1'),
    role: 'internal_user',
    admin: false,
    limits,
    ...changes,
  }
}

export const keyWith = (settings: Record<string, unknown>, changes: Partial<Principal> = {}): Principal =>
  holder(rulesOf('key', 'k1', settings), changes)

/** 1 US$ per million tokens in, 10 out: 1000 and 10,000 nano-dollars a token. */
export const priced: ModelPrice = {
  input: 1_000_000,
  output: 10_000_000,
  bands: [{ above: -1, rates: rates(1_000_000, 10_000_000) }],
}

function rates(input: number, output: number): PriceRates {
  return {
    input,
    output,
    cacheRead: input,
    cacheWrite: input,
    cacheWrite1h: input,
    reasoning: output,
    inputAudio: input,
    outputAudio: output,
    inputImage: input,
    outputImage: output,
  }
}

export function groupOf(name: string, options: Parameters<typeof deployment>[1] = { price: priced }): ModelGroup {
  return { name, deployments: [deployment(`${name}-1`, { group: name, ...options })] }
}

export interface World {
  readonly clock: TestClock
  readonly state: SharedState
  readonly local: MemoryState
  readonly limits: Limits
  readonly reservations: Reservations
  readonly alerts: AlertEvent[]
  /** What a counter stands at. */
  read(counter: string): Promise<CounterValue>
}

export interface WorldOptions {
  readonly enforcement?: Partial<Enforcement>
  readonly spend?: SpendSource
  readonly rules?: Partial<RuleSource>
  readonly state?: (clock: TestClock) => SharedState
}

export function world(options: WorldOptions = {}): World {
  const clock = new TestClock()
  const state = options.state?.(clock) ?? new MemoryState({ clock })
  const local = new MemoryState({ clock })
  const alerts: AlertEvent[] = []
  const own = enforcement(options.enforcement)
  const spend = options.spend ?? { spent: async () => 0 }
  return {
    clock,
    state,
    local,
    alerts,
    limits: { enforcement: own, planner: new LimitPlanner({ enforcement: own, spend, clock }) },
    reservations: new Reservations({
      state,
      local,
      rules: { ofEndUser: () => [], ofTag: () => [], ...options.rules },
      thresholds: new Thresholds({ emit: event => void alerts.push(event) }, state),
      clock,
      log: silent,
    }),
    read: async counter => (await state.read([counter]))[0] as CounterValue,
  }
}

/** A short chat that may answer 100 tokens: 1 + 100 tokens, 1000 + 1,000,000 nano-dollars. */
export function asking(principal: Principal, changes: Partial<Reserving> = {}, json: object = {}): Reserving {
  const body = { max_tokens: 100, ...json }
  return {
    principal,
    group: groupOf('m'),
    request: { json: body, text: '{}', operation: 'chat', bodyBytes: undefined },
    endUser: undefined,
    tags: [],
    sessionId: undefined,
    ...changes,
  }
}

export const used = (input: number, output: number): TokenUsage => ({ ...emptyUsage(), input, output })
