import { type Cost, costOf } from '../accounting/cost.ts'
import { serviceTierOf } from '../accounting/service-tier.ts'
import type { Call, Discarded, PlanRecord } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Inspection } from '../routing/learned/inspect-answer.ts'
import type { CascadePolicy } from '../routing/learned/route-policy.ts'
import type { AttemptResult } from './attempt.ts'

type Answered = Extract<AttemptResult, { kind: 'answer' }>

/** An answer that did not pass, kept in case nobody gives a better one. */
export interface Kept {
  readonly result: Answered
  readonly deployment: Deployment
  readonly plan: PlanRecord
  readonly discarded: Discarded
}

/** The first check an answer does not pass; undefined: it passes, or cannot be looked into. */
export function failedCheck(
  inspected: Inspection | undefined,
  { checks, minLogprob }: CascadePolicy,
): string | undefined {
  if (inspected === undefined) return undefined
  const { notTruncated, notRefusal, jsonValid, toolCallsValid } = inspected.checks
  const failed: Readonly<Record<string, boolean>> = {
    not_truncated: notTruncated === false,
    not_refusal: notRefusal === false,
    json_schema: jsonValid === false,
    tool_call_valid: toolCallsValid === false,
    min_logprob: inspected.meanLogprob !== undefined && inspected.meanLogprob < minLogprob,
  }
  return checks.find(check => failed[check] === true)
}

/** Whether another model may still be asked. @param rungs models asked so far in this group */
export const mayEscalate = (call: Call, { maxRungs, maxAddedLatency }: CascadePolicy, rungs: number): boolean =>
  rungs < maxRungs && performance.now() - call.startedAt < maxAddedLatency && !call.closed

/** Sets an answer aside. It was made and is paid for, whoever answers in the end. */
export function setAside(call: Call, deployment: Deployment, result: Answered, check: string): Kept | undefined {
  const hop = call.hops[call.hops.length - 1]
  const plan = call.plans[call.plans.length - 1]
  if (plan === undefined) return undefined
  if (hop !== undefined) {
    hop.error = 'check_failed'
    hop.message = `The answer did not pass the check ${check}.`
  }
  const { usage } = call
  const cost: Cost =
    usage === undefined
      ? { total: 0, lines: [], priced: true }
      : costOf(usage, deployment.price, {
          serviceTier: serviceTierOf(usage, call.request, deployment),
          seconds: (hop?.duration ?? 0) / 1000,
          epoch: call.epoch,
        })
  const discarded: Discarded = { usage, cost }
  call.discarded.push(discarded)
  call.usage = undefined
  return { result, deployment, plan, discarded }
}

/** Nobody gave a better answer: the one that was set aside is the answer. */
export function takeBack(call: Call, { result, deployment, plan, discarded }: Kept): Answered {
  call.discarded.splice(call.discarded.indexOf(discarded), 1)
  call.usage = discarded.usage
  call.deployment = deployment
  call.plans.push(plan)
  return result
}
