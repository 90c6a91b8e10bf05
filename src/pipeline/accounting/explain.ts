import type { Call, Hop, PlanRecord } from '../call.ts'
import type { DropReason } from '../routing/types.ts'

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

interface Entry {
  readonly id: string
  readonly keyHash: string
  readonly epoch: number
  readonly surface: string
  readonly operation: string
  readonly model: string
  readonly stream: boolean
  readonly status: number
  readonly error: string | undefined
  readonly configVersion: number
  readonly plans: readonly PlanRecord[]
  readonly hops: readonly Hop[]
  readonly usage: object | undefined
  readonly cost: () => unknown
  readonly total: number
  readonly upstream: number
  readonly ttft: number | undefined
}

const dropTexts: Record<DropReason, string> = {
  cooling_down: 'cooling down after failures',
  context_window: 'prompt does not fit its context window',
  unsupported_params: 'does not support a parameter of the request',
  higher_order: 'kept back: a deployment with a lower order is available',
  over_rpm: 'over its requests per minute',
  over_tpm: 'over its tokens per minute',
  parallel_limit: 'at its parallel request limit',
  already_failed: 'already failed in this call',
}

/**
 * The last calls and why they went where they went: a bounded, in-memory ring. Keeping an entry costs one small object
 * and one array slot; texts are made, and the ring searched, when somebody asks.
 */
export class ExplainLog {
  #entries: (Entry | undefined)[]
  #next = 0

  constructor(capacity: number) {
    this.#entries = new Array(capacity)
  }

  /** Keeps the newest entries that fit. */
  resize(capacity: number): void {
    if (capacity === this.#entries.length) return
    const kept = this.#newestFirst().slice(0, capacity).reverse()
    this.#entries = new Array(capacity)
    kept.forEach((entry, slot) => {
      this.#entries[slot] = entry
    })
    this.#next = capacity === 0 ? 0 : kept.length % capacity
  }

  get size(): number {
    return this.#newestFirst().length
  }

  record(call: Call, finishedAt: number, cost: () => unknown): void {
    if (this.#entries.length === 0) return
    this.#entries[this.#next] = {
      id: call.id,
      keyHash: call.identity.keyHash,
      epoch: call.epoch,
      surface: call.door.dialect,
      operation: call.door.operation,
      model: call.model,
      stream: call.stream,
      status: call.status,
      error: call.error,
      configVersion: call.snapshot.version,
      plans: call.plans,
      hops: call.hops,
      usage: call.usage,
      cost,
      total: finishedAt - call.startedAt,
      upstream: call.upstreamTime,
      ttft: call.ttft,
    }
    this.#next = (this.#next + 1) % this.#entries.length
  }

  /** The explanation of a call of the same key; undefined for an unknown id and for another key's call alike. */
  find(id: string, keyHash: string): Explanation | undefined {
    const entry = this.#newestFirst().find(candidate => candidate.id === id && candidate.keyHash === keyHash)
    return entry === undefined ? undefined : render(entry)
  }

  #newestFirst(): Entry[] {
    const { length } = this.#entries
    const entries: Entry[] = []
    for (let back = 1; back <= length; back++) {
      const entry = this.#entries[(this.#next - back + length) % length]
      if (entry !== undefined) entries.push(entry)
    }
    return entries
  }
}

const round = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000

function render(entry: Entry): Explanation {
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
    plans: entry.plans.map(plan => ({
      model_group: plan.group,
      strategy: plan.strategy,
      reason: plan.reason,
      candidates: plan.considered.map(({ deployment, dropped }) => ({
        deployment_id: deployment.id,
        provider: deployment.target.vendor.id,
        model: deployment.target.model,
        kept: dropped === undefined,
        reason:
          dropped === undefined ? (deployment.id === plan.chosen ? plan.reason : 'ranked behind') : dropTexts[dropped],
      })),
    })),
    hops: entry.hops.map(hop => ({
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
    usage: (entry.usage as Record<string, number> | undefined) ?? null,
    cost: entry.cost(),
    timing_ms: {
      total: round(entry.total),
      upstream: round(entry.upstream),
      own: round(Math.max(0, entry.total - entry.upstream)),
      ttft: entry.ttft === undefined ? null : round(entry.ttft),
    },
  }
}
