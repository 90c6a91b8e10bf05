import type { RoutingDecision } from '../../learning/decision.ts'
import { maxRequestIdLength } from '../../platform/ids.ts'
import { emptyUsage, type TokenUsage } from '../../translate/token-usage.ts'
import type { Call, Hop, PlanRecord } from '../call.ts'
import type { Deployment } from '../deployment.ts'
import type { Consideration, DropReason } from '../routing/types.ts'
import { type Cost, costOf } from './cost.ts'
import { KeptDecision } from './kept-decision.ts'
import { serviceTierOf } from './service-tier.ts'

/** What the explain endpoint shows of a finished call. */
export interface Explanation {
  readonly request_id: string
  readonly key_hash: string
  readonly created: string
  readonly surface: string
  readonly operation: string
  readonly requested_model: string
  readonly stream: boolean
  readonly status: number
  readonly error: string | null
  readonly config_version: number
  readonly plans: readonly {
    readonly model_group: string
    readonly strategy: string
    readonly reason: string
    readonly candidates: readonly {
      readonly deployment_id: string
      readonly provider: string
      readonly model: string
      readonly kept: boolean
      readonly reason: string
    }[]
    /** Of a learned route, complete; see docs/learned-routing.md. */
    readonly decision?: RoutingDecision
  }[]
  readonly hops: readonly {
    readonly model_group: string
    readonly deployment_id: string
    readonly provider: string
    readonly model: string
    readonly waited_ms: number
    readonly duration_ms: number
    readonly status: number
    readonly outcome: string
    readonly message: string | null
  }[]
  readonly usage: Record<string, number> | null
  readonly cost: unknown
  readonly timing_ms: {
    readonly total: number
    readonly upstream: number
    readonly own: number
    readonly ttft: number | null
  }
}

const dropTexts: Record<DropReason, string> = {
  cooling_down: 'cooling down after failures',
  context_window: 'prompt does not fit its context window',
  unsupported_params: 'does not support a parameter of the request',
  higher_order: 'kept back: a deployment with a lower order is available',
  over_rpm: 'over its requests per minute',
  over_tpm: 'over its tokens per minute',
  over_budget: 'its budget, or its vendor’s, is spent',
  caller_limit: 'a limit of the caller for this model is used up',
  parallel_limit: 'at its parallel request limit',
  already_failed: 'already failed in this call',
  region: 'not in a region the call may go to',
  not_allowed: 'not among the models the call may use',
}

/**
 * One remembered call. Slots are reused and hold numbers, bytes and things that live long anyway: a call that was
 * answered at the first try leaves no object of its own behind. (Kept in the ring, a call's objects, and even its
 * strings, grow old enough for V8's old generation: +100 MB of garbage after 100,000 calls. The two strings alone were
 * nine tenths of what a plain call added to it.)
 */
class Slot {
  readonly #id: Buffer
  #idLength = 0
  keyHash = ''
  epoch = 0
  surface = ''
  operation = ''
  model = ''
  stream = false
  status = 0
  error: string | undefined
  configVersion = 0
  deployment: Deployment | undefined
  planGroup = ''
  strategy = ''
  reason = ''
  considered: readonly Consideration[] = []
  /** Of a learned route. */
  decided = false
  #decision: KeptDecision | undefined
  hopDuration = 0
  /** Set only when there was more than one plan or hop. */
  plans: readonly PlanRecord[] | undefined
  hops: readonly Hop[] | undefined
  hasUsage = false
  readonly usage: TokenUsage = emptyUsage()
  serviceTier: string | undefined
  total = 0
  upstream = 0
  /** NaN: there was none. A field that is only ever a number is overwritten in place. */
  ttft = Number.NaN

  get decision(): RoutingDecision | undefined {
    return this.decided ? this.#decision?.read() : undefined
  }

  keepDecision(decision: RoutingDecision | undefined): void {
    this.decided = decision !== undefined
    if (decision === undefined) return
    this.#decision ??= new KeptDecision()
    this.#decision.keep(decision)
  }

  constructor(id: Buffer) {
    this.#id = id
  }

  get id(): string {
    return this.#id.toString('latin1', 0, this.#idLength)
  }

  set id(id: string) {
    this.#idLength = this.#id.write(id, 'latin1')
  }
}

/** Texts that say the same for many calls, kept once: at most this many, each no longer than this. */
const maxTexts = 1000
const maxTextLength = 200

/** The last calls and why they went where they went: a bounded, in-memory ring; searched only when somebody asks. */
export class ExplainLog {
  #slots: Slot[] = []
  #next = 0
  #filled = 0
  readonly #texts = new Map<string, string>()

  constructor(capacity: number) {
    this.resize(capacity)
  }

  /** Keeps the newest entries that fit. */
  resize(capacity: number): void {
    if (capacity === this.#slots.length) return
    const kept = this.#newestFirst().slice(0, capacity).reverse()
    this.#filled = kept.length
    this.#next = capacity === 0 ? 0 : kept.length % capacity
    this.#slots = kept
    const missing = capacity - kept.length
    const ids = Buffer.alloc(Math.max(0, missing) * maxRequestIdLength)
    for (let i = 0; i < missing; i++) {
      this.#slots.push(new Slot(ids.subarray(i * maxRequestIdLength, (i + 1) * maxRequestIdLength)))
    }
  }

  get size(): number {
    return this.#filled
  }

  record(call: Call, finishedAt: number): void {
    const slot = this.#slots[this.#next]
    if (slot === undefined) return
    this.#next = (this.#next + 1) % this.#slots.length
    if (this.#filled < this.#slots.length) this.#filled++
    const { deployment, plans, hops, usage } = call
    const plan = plans[0]
    const single = plans.length === 1 && hops.length === 1 && hops[0]?.error === undefined
    slot.id = call.id
    slot.keyHash = call.identity.keyHash
    slot.epoch = call.epoch
    slot.surface = call.door.dialect
    slot.operation = call.door.operation
    slot.model = deployment?.group === call.model ? deployment.group : this.#text(call.model)
    slot.stream = call.stream
    slot.status = call.status
    slot.error = call.error
    slot.configVersion = call.snapshot.version
    slot.deployment = deployment
    slot.planGroup = plan?.group ?? ''
    slot.strategy = plan?.strategy ?? ''
    slot.reason = plan?.decision === undefined ? this.#text(plan?.reason ?? '') : ''
    slot.considered = plan?.considered ?? []
    slot.keepDecision(single ? plan?.decision : undefined)
    slot.hopDuration = hops[0]?.duration ?? 0
    slot.plans = single ? undefined : plans
    slot.hops = single ? undefined : hops
    slot.hasUsage = usage !== undefined
    if (usage !== undefined) copyUsage(usage, slot.usage)
    const tier = serviceTierOf(usage, call.request, deployment)
    slot.serviceTier = tier === undefined ? undefined : this.#text(tier)
    slot.total = finishedAt - call.startedAt
    slot.upstream = call.upstreamTime
    slot.ttft = call.ttft ?? Number.NaN
  }

  #text(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined || text.length > maxTextLength) return known ?? text
    if (this.#texts.size >= maxTexts) this.#texts.clear()
    this.#texts.set(text, text)
    return text
  }

  /** The explanation of a call of the same key; undefined for an unknown id and for another key's call alike. */
  find(id: string, keyHash: string): Explanation | undefined {
    const slot = this.#newestFirst().find(candidate => candidate.id === id && candidate.keyHash === keyHash)
    return slot === undefined ? undefined : render(slot)
  }

  #newestFirst(): Slot[] {
    const { length } = this.#slots
    const slots: Slot[] = []
    for (let back = 1; back <= this.#filled; back++) {
      const slot = this.#slots[(this.#next - back + length) % length]
      if (slot !== undefined) slots.push(slot)
    }
    return slots
  }
}

function copyUsage(from: TokenUsage, to: TokenUsage): void {
  to.input = from.input
  to.cacheRead = from.cacheRead
  to.cacheWrite = from.cacheWrite
  to.cacheWrite1h = from.cacheWrite1h
  to.inputAudio = from.inputAudio
  to.inputImage = from.inputImage
  to.output = from.output
  to.reasoning = from.reasoning
  to.outputAudio = from.outputAudio
  to.outputImage = from.outputImage
  to.webSearches = from.webSearches
}

function countsOf(usage: TokenUsage): Record<string, number> {
  const { serviceTier: _tier, ...counts } = usage
  return counts
}

const round = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000

function render(entry: Slot): Explanation {
  const { plans, hops } = journey(entry)
  return {
    request_id: entry.id,
    key_hash: entry.keyHash,
    created: new Date(entry.epoch).toISOString(),
    surface: entry.surface,
    operation: entry.operation,
    requested_model: entry.model,
    stream: entry.stream,
    status: entry.status,
    error: entry.error ?? null,
    config_version: entry.configVersion,
    plans: plans.map(plan => ({
      model_group: plan.group,
      strategy: plan.strategy,
      reason: plan.reason,
      ...(plan.decision === undefined ? {} : { decision: plan.decision }),
      candidates: plan.considered.map(({ deployment, dropped }) => ({
        deployment_id: deployment.id,
        provider: deployment.target.vendor.id,
        model: deployment.target.model,
        kept: dropped === undefined,
        reason:
          dropped === undefined ? (deployment.id === plan.chosen ? plan.reason : 'ranked behind') : dropTexts[dropped],
      })),
    })),
    hops: hops.map(hop => ({
      model_group: hop.group,
      deployment_id: hop.deployment,
      provider: hop.provider,
      model: hop.model,
      waited_ms: round(hop.delay),
      duration_ms: round(hop.duration),
      status: hop.status,
      outcome: hop.error ?? 'answered',
      message: hop.message ?? null,
    })),
    usage: entry.hasUsage ? countsOf(entry.usage) : null,
    cost: costOfEntry(entry),
    timing_ms: {
      total: round(entry.total),
      upstream: round(entry.upstream),
      own: round(Math.max(0, entry.total - entry.upstream)),
      ttft: Number.isNaN(entry.ttft) ? null : round(entry.ttft),
    },
  }
}

/** Plans and hops as they were; those of a call that was answered at the first try are put together again. */
function journey(entry: Slot): { plans: readonly PlanRecord[]; hops: readonly Hop[] } {
  const { deployment, strategy, reason, considered, decision } = entry
  if (entry.plans !== undefined && entry.hops !== undefined) return { plans: entry.plans, hops: entry.hops }
  if (deployment === undefined) return { plans: [], hops: [] }
  const { id, group, target } = deployment
  return {
    plans: [
      { group: entry.planGroup, strategy, reason: decision?.because ?? reason, considered, chosen: id, decision },
    ],
    hops: [
      {
        group,
        deployment: id,
        provider: target.vendor.id,
        model: target.model,
        startedAt: 0,
        duration: entry.hopDuration,
        status: entry.status,
        error: undefined,
        message: undefined,
        delay: 0,
      },
    ],
  }
}

function costOfEntry({ hasUsage, usage, deployment, serviceTier, hops, hopDuration, epoch }: Slot): Cost | null {
  if (!hasUsage || deployment === undefined) return null
  const seconds = (hops?.[hops.length - 1]?.duration ?? hopDuration) / 1000
  return costOf(usage, deployment.price, { serviceTier, seconds, epoch })
}
