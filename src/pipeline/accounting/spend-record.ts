import type { Principal } from '../../governance/authentication/principal.ts'
import type { CostLine, SpendCaller, SpendRecord, SpendTokens } from '../../governance/ledger/spend-record.ts'
import type { Call } from '../call.ts'
import type { Door } from '../door.ts'
import type { Attribution } from '../identity/attribution.ts'
import type { Cost } from './cost.ts'
import { totalUsage } from './total-usage.ts'

const noTokens: SpendTokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 }
const noLines: readonly CostLine[] = []

/** The entry in the books for a call that is over. @param cost undefined: nothing was used @param now epoch ms */
export function spendRecord(call: Call, cost: Cost | undefined, now: number, duration: number): SpendRecord {
  const { deployment, door, attribution } = call
  const usage = totalUsage(call)
  return {
    id: call.recordId,
    callId: call.id === call.recordId ? undefined : call.id,
    startedAt: call.epoch,
    endedAt: now,
    route: door.route,
    operation: door.operation,
    status: call.status,
    error: call.error,
    caller: spendCaller(call),
    model: call.model,
    modelGroup: call.modelName,
    deploymentId: deployment?.id,
    provider: deployment?.target.vendor.id,
    upstreamModel: deployment?.target.model,
    cost: cost?.total ?? 0,
    unpriced: cost?.priced === false,
    costLines:
      cost === undefined
        ? noLines
        : cost.lines.map(({ kind, quantity, nano }) => ({ item: kind, units: quantity, cost: nano })),
    tokens:
      usage === undefined
        ? noTokens
        : {
            input: usage.input,
            output: usage.output,
            cacheRead: usage.cacheRead,
            cacheWrite: usage.cacheWrite + usage.cacheWrite1h,
            reasoning: usage.reasoning,
          },
    stream: call.stream,
    cacheHit: false,
    attempts: call.hops.length,
    fallbacks: call.fallbacks,
    latency: {
      total: duration,
      upstream: call.upstreamTime,
      overhead: Math.max(0, duration - call.upstreamTime),
      ttft: call.ttft,
    },
    tags: attribution.tags,
    metadata: attribution.metadata,
  }
}

/** What a call is known by that was refused before there was one: a bad field, a model not allowed, no place. */
export interface Refused {
  readonly id: string
  readonly callId: string | undefined
  readonly door: Pick<Door, 'route' | 'operation'>
  readonly identity: Principal
  readonly address: string
  /** As asked for, where it could be read. */
  readonly model: string
  readonly status: number
  readonly error: string
  /** Epoch ms. */
  readonly startedAt: number
  /** Milliseconds. */
  readonly duration: number
}

const nobodyElse: Attribution = {
  endUser: undefined,
  sessionId: undefined,
  agentId: undefined,
  tags: [],
  metadata: undefined,
}

/** Its entry in the books: it cost nothing, and it happened. */
export function refusedRecord(call: Refused): SpendRecord {
  const { duration } = call
  return {
    id: call.id,
    callId: call.callId,
    startedAt: call.startedAt,
    endedAt: call.startedAt + duration,
    route: call.door.route,
    operation: call.door.operation,
    status: call.status,
    error: call.error,
    caller: spendCaller({ ...call, attribution: nobodyElse }),
    model: call.model,
    modelGroup: undefined,
    deploymentId: undefined,
    provider: undefined,
    upstreamModel: undefined,
    cost: 0,
    unpriced: false,
    costLines: noLines,
    tokens: noTokens,
    stream: false,
    cacheHit: false,
    attempts: 0,
    fallbacks: 0,
    latency: { total: duration, upstream: 0, overhead: duration, ttft: undefined },
    tags: call.identity.tags,
    metadata: undefined,
  }
}

/** The last caller of each identity: most calls of a key differ in nothing that is told of their caller. */
const callers = new WeakMap<Principal, SpendCaller>()

function spendCaller({
  identity,
  attribution,
  address,
}: Pick<Call, 'identity' | 'attribution' | 'address'>): SpendCaller {
  const known = callers.get(identity)
  if (
    known !== undefined &&
    known.address === address &&
    known.endUser === attribution.endUser &&
    known.sessionId === attribution.sessionId &&
    known.agentId === attribution.agentId
  ) {
    return known
  }
  const caller: SpendCaller = {
    token: identity.proof === 'master_key' ? undefined : identity.token,
    keyAlias: identity.keyAlias,
    userId: identity.userId,
    teamId: identity.teamId,
    organizationId: identity.organizationId,
    projectId: identity.projectId,
    agentId: attribution.agentId,
    endUser: attribution.endUser,
    sessionId: attribution.sessionId,
    address,
  }
  callers.set(identity, caller)
  return caller
}
