import type { Clock } from '../../platform/clock.ts'
import type { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import { RecentMean } from './recent-mean.ts'
import { SlidingWindow } from './sliding-window.ts'
import type { AttemptOutcome, LiveView } from './types.ts'

export interface LiveStatsOptions {
  readonly clock: Clock
  /** Milliseconds a latency sample counts. LiteLLM's `routing_strategy_args.ttl`, default 3600 s. */
  readonly latencyTtl?: number
  /** Samples in each mean, 1–100. LiteLLM's `max_latency_list_size`, default 10. */
  readonly latencySamples?: number
  /** Deployments remembered. A bound against wildcard names, not a tuning knob. Default 10,000. */
  readonly maxEntries?: number
}

/** A timeout counts as this many milliseconds (LiteLLM: 1000 s). */
const timeoutPenalty = 1_000_000
/**
 * …and for this long. LiteLLM keeps the penalty for the whole `ttl`, so that one slow call hides a good deployment for
 * up to an hour; cooldown already covers an outage, and a minute later one call may find out.
 */
const penaltyTtl = 60_000

/** The numbers of one deployment. */
class DeploymentStats {
  inFlight = 0
  readonly latencies: RecentMean
  readonly ttfts: RecentMean
  readonly requests = new SlidingWindow()
  readonly tokens = new SlidingWindow()
  /** Prompt tokens of calls in flight: counted at once, or a burst would all go to the same "least used" deployment. */
  pendingTokens = 0
  /** Set once an answer had output tokens: samples are then per token, and answers without tokens are no sample. */
  perToken = false
  retired = false

  constructor(samples: number) {
    this.latencies = new RecentMean(samples)
    this.ttfts = new RecentMean(samples)
  }
}

/** Computes what is asked for when it is asked for: most strategies look at one number or none. */
class Glance implements LiveView {
  readonly #stats: DeploymentStats
  readonly #now: number
  readonly inFlight: number

  constructor(stats: DeploymentStats, now: number) {
    this.#stats = stats
    this.#now = now
    this.inFlight = stats.inFlight
  }

  get latency(): number | undefined {
    return this.#stats.latencies.mean(this.#now)
  }

  get ttft(): number | undefined {
    return this.#stats.ttfts.mean(this.#now)
  }

  get tpm(): number {
    return this.#stats.tokens.total(this.#now) + this.#stats.pendingTokens
  }

  get rpm(): number {
    return this.#stats.requests.total(this.#now)
  }

  get perToken(): boolean {
    return this.#stats.perToken
  }
}

/**
 * What happens now at each deployment, by deployment id, so that it survives config reloads. Process-local.
 * Every `started` is followed by exactly one of `finished`, `failed`, `aborted` (the router's attempts see to it).
 */
export class LiveStats {
  readonly #clock: Clock
  readonly #maxEntries: number
  readonly #entries = new Map<string, DeploymentStats>()
  #ttl: number
  #samples: number

  constructor(options: LiveStatsOptions) {
    this.#clock = options.clock
    this.#ttl = options.latencyTtl ?? 3_600_000
    this.#samples = sampleCount(options.latencySamples)
    this.#maxEntries = options.maxEntries ?? 10_000
  }

  /** New values after a reload. A changed sample count applies to deployments not seen yet. */
  configure(options: Pick<LiveStatsOptions, 'latencyTtl' | 'latencySamples'>): void {
    this.#ttl = options.latencyTtl ?? 3_600_000
    this.#samples = sampleCount(options.latencySamples)
  }

  /** How a deployment stands. For this turn of the event loop: all but `inFlight` is read when it is asked for. */
  view(deployment: Deployment, now = this.#clock.now()): LiveView {
    return new Glance(this.#entry(deployment.id), now)
  }

  inFlight(deployment: Deployment): number {
    return this.#entries.get(deployment.id)?.inFlight ?? 0
  }

  /** @param promptTokens estimate, counted towards tpm until the attempt ends; hand the same number to its end. */
  started(deployment: Deployment, promptTokens = 0): void {
    const stats = this.#entry(deployment.id)
    stats.inFlight += 1
    stats.pendingTokens += promptTokens
    stats.requests.add(this.#clock.now(), 1)
  }

  finished(deployment: Deployment, outcome: AttemptOutcome, promptTokens = 0): void {
    const stats = this.#end(deployment.id, promptTokens)
    const now = this.#clock.now()
    stats.tokens.add(now, outcome.inputTokens + outcome.outputTokens)
    if (outcome.outputTokens > 0) {
      stats.perToken = true
      stats.latencies.add(now, outcome.latency / outcome.outputTokens, this.#ttl)
    } else if (!stats.perToken) {
      stats.latencies.add(now, outcome.latency, this.#ttl)
    }
    if (outcome.ttft !== undefined) stats.ttfts.add(now, outcome.ttft, this.#ttl)
  }

  failed(deployment: Deployment, failure: UpstreamFailure, promptTokens = 0): void {
    const stats = this.#end(deployment.id, promptTokens)
    if (failure.kind !== 'timeout') return
    const now = this.#clock.now()
    const ttl = Math.min(this.#ttl, penaltyTtl)
    stats.latencies.add(now, timeoutPenalty, ttl)
    stats.ttfts.add(now, timeoutPenalty, ttl)
  }

  /** The caller left, or its own deadline passed: says nothing about the deployment. */
  aborted(deployment: Deployment, promptTokens = 0): void {
    this.#end(deployment.id, promptTokens)
  }

  /** Milliseconds until a request leaves the deployment's minute; 0 when none is in it. */
  untilCapacity(deployment: Deployment): number {
    return this.#entry(deployment.id).requests.untilNextExpiry(this.#clock.now())
  }

  /** Forgets every deployment but these, after a reload; those with calls in flight when the last call ends. */
  prune(deployments: readonly Deployment[]): void {
    const ids = new Set(deployments.map(({ id }) => id))
    for (const [id, stats] of this.#entries) {
      stats.retired = !ids.has(id)
      if (stats.retired && stats.inFlight === 0) this.#entries.delete(id)
    }
  }

  get size(): number {
    return this.#entries.size
  }

  #end(id: string, promptTokens: number): DeploymentStats {
    const stats = this.#entry(id)
    stats.inFlight = Math.max(0, stats.inFlight - 1)
    stats.pendingTokens = stats.inFlight === 0 ? 0 : Math.max(0, stats.pendingTokens - promptTokens)
    if (stats.retired && stats.inFlight === 0) this.#entries.delete(id)
    return stats
  }

  #entry(id: string): DeploymentStats {
    let stats = this.#entries.get(id)
    if (stats === undefined) {
      if (this.#entries.size >= this.#maxEntries) this.#evictIdle()
      stats = new DeploymentStats(this.#samples)
      this.#entries.set(id, stats)
    }
    return stats
  }

  /** Drops the oldest idle entry. At most `maxEntries` plus the number of busy deployments are ever held. */
  #evictIdle(): void {
    for (const [id, stats] of this.#entries) {
      if (stats.inFlight > 0) continue
      this.#entries.delete(id)
      return
    }
  }
}

function sampleCount(configured: number | undefined): number {
  return Math.min(100, Math.max(1, Math.trunc(configured ?? 10)))
}
