import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { effortBudgets } from '../effort-budgets.ts'
import type { ThinkingParam } from '../openai/types.ts'

/** Tokens a model may think for, per effort word. */
export interface ThinkingBudgets {
  readonly minimal: number
  readonly low: number
  readonly medium: number
  readonly high: number
}

/** LiteLLM's defaults; Anthropic accepts no budget below 1024. */
export const defaultBudgets: ThinkingBudgets = { minimal: 1024, ...effortBudgets }

export const smallestBudget = 1024

export interface ReasoningModel {
  /** Effort words beyond low, medium and high. */
  readonly efforts?: readonly string[]
  /** The complete list of effort words, where it is known. */
  readonly effortLevels?: readonly string[]
  readonly adaptiveThinking?: boolean
  readonly thinkingAlwaysOn?: boolean
}

export interface Reasoning {
  readonly thinking: ThinkingParam | undefined
  readonly effort: string | undefined
}

const standardEfforts: ReadonlySet<string> = new Set(['minimal', 'low', 'medium', 'high'])
const off: ReadonlySet<string> = new Set(['none', 'disable', 'disabled'])
const extraEfforts: ReadonlySet<string> = new Set(['xhigh', 'max'])

/** The effort word of a `reasoning_effort` field; the Responses-style object is accepted too. */
export function effortWord(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'object') {
    const word = (value as { effort?: unknown }).effort
    if (word === null || word === undefined) return undefined
    if (typeof word === 'string') return word
  }
  throw new GatewayError('invalid_request', 'reasoning_effort must be a word such as "low", "medium" or "high".', {
    param: 'reasoning_effort',
  })
}

/**
 * `reasoning_effort` → thinking for a model.
 * @returns undefined when the model does not know the word (`xhigh` and `max` exist on few models).
 * @throws GatewayError for a word that no model knows.
 */
export function reasoningOf(
  word: string,
  modelName: string,
  model: ReasoningModel,
  budgets: ThinkingBudgets,
): Reasoning | undefined {
  if (off.has(word)) {
    // Models that think by default have to be told; older ones think only when asked, and some cannot be stopped.
    const told = model.adaptiveThinking === true && model.thinkingAlwaysOn !== true
    return { thinking: told ? { type: 'disabled' } : undefined, effort: undefined }
  }
  if (!standardEfforts.has(word)) {
    if (!extraEfforts.has(word)) {
      throw new GatewayError(
        'invalid_request',
        `reasoning_effort "${word.slice(0, 40)}" is unknown. Use none, minimal, low, medium, high, xhigh or max.`,
        { param: 'reasoning_effort' },
      )
    }
    if (model.efforts?.includes(word) !== true) return undefined
  }
  const effort = word === 'minimal' ? 'low' : word
  if (model.effortLevels?.includes(effort) === false) return undefined
  if (model.adaptiveThinking === true) return { thinking: { type: 'adaptive' }, effort }
  const budget = word in budgets ? budgets[word as keyof ThinkingBudgets] : budgets.high
  const thinking: ThinkingParam = { type: 'enabled', budget_tokens: Math.max(smallestBudget, budget) }
  // Opus 4.5 alone takes both a budget and an effort.
  return { thinking, effort: modelName.includes('opus-4-5') ? effort : undefined }
}
