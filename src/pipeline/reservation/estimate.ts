import type { Enforcement } from '../../governance/limits/enforcement.ts'
import type { Amounts } from '../../governance/limits/planned-limit.ts'
import type { Operation } from '../../providers/wire.ts'
import { costUpperBound, unpriced } from '../accounting/cost.ts'
import type { GroupFacts } from './group-facts.ts'

/** What a call may use at worst, as far as that can be told without reading its prompt. */
export interface Estimate extends Amounts {
  /** No deployment of the group has a known price, or one of them has none. */
  readonly unpriced: boolean
}

/** The request as it is put to the group. */
export interface Estimated {
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
  readonly operation: Operation
  /** Bytes of the body as sent, where known: more than characters means that letters are worth more tokens. */
  readonly bodyBytes: number | undefined
}

/** A share of a budget that a call takes which nobody can price: little, but none is left when nothing is. */
const token = 1

/**
 * Worst case of a call, in constant time whatever the length of its prompt: reading it exactly is for the hot path too
 * dear. Settling replaces it by the truth.
 */
export function estimate(request: Estimated, facts: GroupFacts, enforcement: Enforcement): Estimate {
  const inputTokens = promptTokens(request, facts)
  const stated = statedOutput(request)
  const spoken = request.operation === 'chat' || request.operation === 'completions' || request.operation === 'messages'
  const fallback = enforcement.defaultOutputTokens
  const most = facts.maxOutputTokens
  // A rate is spoilt by reserving the model's longest answer for every call; a budget is not safe with less.
  const outputTokens = spoken ? (stated ?? Math.min(fallback, most ?? fallback)) : 0
  const longest = spoken ? (stated ?? most ?? fallback) : 0
  const bound = request.operation === 'count_tokens' ? 0 : worstCost(inputTokens, longest, facts, tierOf(request))
  const cost = enforcement.reserveBudgets ? Math.min(Math.max(bound, 0), enforcement.maxReservation) : 0
  const unknown = bound === unpriced
  return {
    inputTokens: request.operation === 'count_tokens' ? 0 : inputTokens,
    outputTokens,
    cost: cost === 0 && (unknown || bound > 0) ? token : Math.ceil(cost),
    unpriced: unknown,
  }
}

/** The dearest price of the group; −1 when a deployment's is not known. */
function worstCost(input: number, output: number, facts: GroupFacts, tier: string | undefined): number {
  let worst = 0
  for (const price of facts.prices) {
    const cost = costUpperBound(input, output, price, tier)
    if (cost === unpriced) return unpriced
    if (cost > worst) worst = cost
  }
  return worst === 0 && facts.unpriced ? unpriced : worst
}

/**
 * Four characters a token, and more where the body's bytes tell of scripts with a token per letter. Images and files are
 * text here, so the prompt is no larger than what the models take.
 */
function promptTokens({ text, bodyBytes }: Estimated, { maxInputTokens }: GroupFacts): number {
  const beyondAscii = bodyBytes === undefined ? 0 : Math.max(0, bodyBytes - text.length)
  const tokens = Math.ceil(text.length / 4 + beyondAscii * 0.375)
  return maxInputTokens === undefined ? tokens : Math.min(tokens, maxInputTokens)
}

/** The caller's own limit, times the number of answers it wants. */
function statedOutput({ json }: Estimated): number | undefined {
  const limit = json['max_completion_tokens'] ?? json['max_tokens']
  if (typeof limit !== 'number' || !(limit >= 0)) return undefined
  const n = json['n']
  const answers = typeof n === 'number' && n > 1 ? n : 1
  return Math.ceil(limit * answers)
}

function tierOf({ json }: Estimated): string | undefined {
  const tier = json['service_tier']
  return typeof tier === 'string' ? tier : undefined
}
