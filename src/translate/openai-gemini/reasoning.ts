import { effortBudgets, effortOfBudget } from '../effort-budgets.ts'
import type { ChatRequest } from '../openai/types.ts'
import { isRecord, textOf } from './gemini-types.ts'
import type { ModelFamily } from './model-family.ts'
import type { RequestOptions, UnsupportedParams } from './request-options.ts'

export interface ThinkingConfig {
  includeThoughts?: boolean
  /** Tokens; 0 = off, -1 = the model decides. Gemini 2.5. */
  thinkingBudget?: number
  /** Gemini 3. Never together with a budget: the API refuses both. */
  thinkingLevel?: 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH'
}

type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh'

/** Largest budget that every thinking 2.5 model takes. */
const largestBudget = 24_576

/** The smallest budget that still thinks, per tier of the 2.5 family. */
const minimalBudget: Readonly<Record<ModelFamily['tier'], number>> = { pro: 128, flash: 1, 'flash-lite': 512 }

/**
 * `reasoning_effort` and `thinking` → `thinkingConfig`. `thinking` is the more exact of the two and wins.
 * @returns undefined when the request says nothing, or nothing that this model could be told.
 */
export function thinkingConfig(
  request: ChatRequest,
  options: RequestOptions,
  unsupported: UnsupportedParams,
): ThinkingConfig | undefined {
  const { family } = options
  const thinking = isRecord(request.thinking) ? request.thinking : undefined
  const effort = thinking === undefined ? effortOf(request) : undefined
  if (thinking === undefined && effort === undefined) return undefined
  const param = thinking === undefined ? 'reasoning_effort' : 'thinking'
  const off = thinking === undefined ? effort === 'none' || effort === 'disable' : thinking['type'] === 'disabled'
  const thinks = options.reasoning ?? family.thinking !== 'none'
  if (!thinks) {
    if (!off && unsupported.meets(param, 'This Gemini model does not think.')) return { includeThoughts: true }
    return undefined
  }
  const byLevel = family.thinking === 'level'
  if (thinking !== undefined && !off) {
    const budget = thinking['budget_tokens']
    if (typeof budget !== 'number' || !Number.isFinite(budget)) {
      return byLevel ? { includeThoughts: true } : { thinkingBudget: -1, includeThoughts: true }
    }
    return byLevel
      ? { thinkingLevel: levelOf(effortOfBudget(budget), family), includeThoughts: true }
      : { thinkingBudget: Math.trunc(budget), includeThoughts: true }
  }
  const word = off ? 'none' : effortWord(effort, options)
  if (word === undefined) {
    unsupported.meets(param, `Gemini has no reasoning effort '${textOf(effort).slice(0, 32)}'.`)
    return undefined
  }
  if (byLevel) return { thinkingLevel: levelOf(word, family), includeThoughts: word !== 'none' }
  return { thinkingBudget: budgetOf(word, family), includeThoughts: word !== 'none' }
}

function effortOf(request: ChatRequest): string | undefined {
  const stated = request.reasoning_effort
  const word = isRecord(stated) ? stated['effort'] : stated
  return typeof word === 'string' && word !== '' && word !== 'default' ? word : undefined
}

function effortWord(effort: string | undefined, options: RequestOptions): Effort | undefined {
  switch (effort) {
    case 'minimal':
    case 'low':
    case 'medium':
    case 'high':
      return effort
    case 'xhigh':
    case 'max':
      return options.efforts.includes(effort) ? 'xhigh' : undefined
    default:
      return undefined
  }
}

/** Gemini 3 cannot stop thinking: `none` becomes its lowest level. Pro knows no MINIMAL, and MEDIUM only since 3.1. */
function levelOf(effort: Effort, family: ModelFamily): NonNullable<ThinkingConfig['thinkingLevel']> {
  const pro = family.tier === 'pro'
  switch (effort) {
    case 'none':
    case 'minimal':
      return pro ? 'LOW' : 'MINIMAL'
    case 'low':
      return 'LOW'
    case 'medium':
      return pro && family.version < 3.1 ? 'HIGH' : 'MEDIUM'
    default:
      return 'HIGH'
  }
}

function budgetOf(effort: Effort, family: ModelFamily): number {
  switch (effort) {
    case 'none':
      // 2.5 Pro refuses 0; its smallest budget comes closest.
      return family.tier === 'pro' ? minimalBudget.pro : 0
    case 'minimal':
      return minimalBudget[family.tier]
    case 'xhigh':
      return largestBudget
    default:
      return effortBudgets[effort]
  }
}
