import type { Call } from '../../call.ts'
import type { Ranking, Routed, RoutingContext } from '../types.ts'
import { decisionEvent } from './decision-event.ts'
import type { LearnedServices } from './learned-services.ts'
import { modelHash } from './session-memory.ts'

/** Tells the loop of the first decision of a call; a retry walks on with it, a fallback's own is in the explain record. */
export function noteDecision(
  learned: LearnedServices | undefined,
  call: Call,
  ranking: Ranking,
  context: RoutingContext | undefined,
): void {
  if (call.routed !== undefined || learned === undefined || context === undefined) return
  call.routed = { ranking, context }
  const { loop } = learned
  if (ranking.decision.recorded !== true) return
  loop.decided(ranking.decision, {
    recordId: call.recordId,
    callId: call.id,
    at: call.epoch,
    router: ranking.router,
    route: call.model,
    token: call.identity.token,
    userId: call.identity.userId,
    teamId: call.identity.teamId,
    // Where the caller names no session it is the conversation: calls of a key are not all of one kind.
    session: context.conversation.toString(36),
  })
}

/** The decided call is over: the session remembers who answered, the log and the loop learn what came of it. */
export function settleDecision(
  learned: LearnedServices,
  call: Call,
  { ranking, context }: Routed,
  cost: number | undefined,
  duration: number,
): void {
  const { usage, identity, inspected } = call
  const plan = call.plans[call.plans.length - 1]
  const answered = call.status === 200 && call.error === undefined
  const answering = answered ? plan?.answering : undefined
  if (answering !== undefined) {
    learned.sessions.remember(context.conversation, modelHash(answering), learned.clock.now())
  }
  if (learned.log !== undefined) {
    const { decision, router } = ranking
    learned.log.record(decisionEvent(call, { decision, router, answering, cost, duration }))
  }
  const { loop } = learned
  if (ranking.decision.recorded !== true) return
  const share = loop.captureShare(identity.metadata)
  if (share > 0) {
    const { text, system } = context.prompt
    loop.captured(call.recordId, share, { prompt: text, system, response: undefined })
  }
  loop.settled(call.recordId, {
    status: call.status,
    error: call.error,
    answeredBy: answering,
    inputTokens: usage?.input ?? 0,
    outputTokens: usage?.output ?? 0,
    cost: cost === undefined || cost < 0 ? undefined : cost,
    duration,
    ttft: call.ttft,
    finish: inspected?.finish,
    checks: inspected?.checks ?? {},
  })
}
