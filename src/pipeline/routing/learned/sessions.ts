import { expectedCost } from '../../../learning/objective/expected-cost.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import type { RoutingContext } from '../types.ts'
import type { ArmSet } from './arm-set.ts'
import type { LearnedServices } from './learned-services.ts'
import type { RoutePolicy } from './route-policy.ts'

/** Milliseconds a vendor keeps a prompt prefix at least (OpenAI and Anthropic: five minutes). */
const cacheLife = 300_000
const charactersPerToken = 4

/** Place of the model that answered this conversation before; −1: it is new, or not remembered, or no longer served. */
export function sessionOf(
  { sessions, clock }: LearnedServices,
  { sticky, sessionTtl }: RoutePolicy,
  { hashes }: ArmSet,
  context: RoutingContext,
): number {
  const { shape } = context.prompt
  // Tool loops are kept together even where sessions are not.
  if (!shape.inToolLoop && (!sticky || (!context.named && shape.turns < 2))) return -1
  const model = sessions.find(context.conversation, clock.now() - sessionTtl)
  return model === 0 ? -1 : hashes.indexOf(model)
}

/**
 * Staying is cheaper by what the vendor still has in its prompt cache, and worth a little beyond that: answers of one
 * conversation should read as one.
 */
export function applySession(
  scores: Scores,
  { arms }: ArmSet,
  session: number,
  context: RoutingContext,
  { switchMargin }: RoutePolicy,
  { sessions, clock }: LearnedServices,
): void {
  const prices = arms[session]?.prices
  if (session < 0) return
  scores.bonus[session] = switchMargin
  const cost = scores.cost[session] as number
  if (prices === undefined || Number.isNaN(cost)) return
  if (clock.now() - sessions.lastAnswer(context.conversation) > cacheLife) return
  const { system, shape } = context.prompt
  const cached = (system.length + shape.historyCharacters) / charactersPerToken
  // Negative: what the cached part costs less.
  const saved = expectedCost({ ...prices, output: 0 }, { input: cached, cached, output: 0 }) - cached * prices.input
  scores.cost[session] = Math.max(0, cost + saved)
}
