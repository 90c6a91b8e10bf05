import type { Deployment } from '../../src/pipeline/deployment.ts'
import { Cooldown, type CooldownChange } from '../../src/pipeline/routing/cooldown.ts'
import { fallbackChain } from '../../src/pipeline/routing/fallbacks.ts'
import { LiveStats } from '../../src/pipeline/routing/live-stats.ts'
import { ModelIndex } from '../../src/pipeline/routing/model-groups.ts'
import { retryDecision } from '../../src/pipeline/routing/retry.ts'
import { RouteAttempt, Router } from '../../src/pipeline/routing/router.ts'
import { features, ManualClock, seededRandom } from '../../src/pipeline/routing/routing.fixtures.ts'
import { compileRoutingSettings, type RouterSettingsConfig } from '../../src/pipeline/routing/settings.ts'
import type { CallFeatures, ModelGroup } from '../../src/pipeline/routing/types.ts'
import { type FailureKind, GatewayError, UpstreamFailure } from '../../src/platform/errors/gateway-error.ts'

/** What a simulated upstream does with a call that starts now. Latency is milliseconds. */
export interface Behaviour {
  readonly latency: number
  readonly failure?: FailureKind
  readonly retryAfter?: number
}

export interface Hop {
  readonly at: number
  readonly call: number
  readonly deployment: string
  readonly failure: FailureKind | undefined
  readonly probe: boolean
}

export interface Result {
  readonly call: number
  readonly at: number
  /** The deployment that answered, or the error the caller got. */
  readonly answeredBy: string | undefined
  readonly error: GatewayError | undefined
  readonly attempts: number
  readonly fallbacks: number
  readonly duration: number
}

export interface WorldOptions {
  readonly deployments: readonly Deployment[]
  readonly behaviour: (deployment: Deployment, at: number, random: () => number) => Behaviour
  readonly config?: RouterSettingsConfig
  readonly seed?: number
}

/** A call on its way through a group. */
interface Journey {
  readonly call: number
  readonly began: number
  readonly features: CallFeatures
  readonly done: (result: Result) => void
  readonly visited: Set<string>
  group: ModelGroup
  attempts: number
  fallbacks: number
  tried: Set<string>
  retries: number
}

/**
 * The whole router in virtual time: real plans, attempts, cooldowns, retries and fallbacks; only the upstreams and the
 * clock are made up. Events run in order of time; what is due at the same time runs in order of scheduling.
 */
export class RoutingWorld {
  readonly clock = new ManualClock()
  readonly live = new LiveStats({ clock: this.clock })
  readonly changes: (CooldownChange & { at: number })[] = []
  readonly cooldown = new Cooldown({
    clock: this.clock,
    onChange: change => this.changes.push({ ...change, at: this.clock.now() - this.#origin }),
  })
  readonly router: Router
  readonly hops: Hop[] = []
  readonly results: Result[] = []
  readonly #origin = this.clock.now()
  readonly #random: () => number
  readonly #behaviour: WorldOptions['behaviour']
  readonly #events: { at: number; order: number; run: () => void }[] = []
  #order = 0

  constructor(options: WorldOptions) {
    this.#random = seededRandom(options.seed ?? 1)
    this.#behaviour = options.behaviour
    this.router = new Router({
      index: new ModelIndex(options.deployments, { specialise: d => d }),
      settings: compileRoutingSettings(options.config),
      live: this.live,
      cooldown: this.cooldown,
      clock: this.clock,
      random: this.#random,
    })
  }

  /** A call that arrives at a time, milliseconds from the start. */
  callAt(at: number, model: string, over: Partial<CallFeatures> = {}): void {
    this.#schedule(this.#origin + at, () => {
      const group = this.router.resolve(model)
      if (group === undefined) throw new Error(`no such model: ${model}`)
      this.#enter({
        call: this.#order,
        began: this.clock.now(),
        features: features(over),
        done: result => this.results.push(result),
        visited: new Set([model]),
        group,
        attempts: 0,
        fallbacks: 0,
        tried: new Set(),
        retries: 0,
      })
    })
  }

  run(): this {
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      this.clock.time = next.at
      next.run()
    }
    return this
  }

  #enter(journey: Journey): void {
    let plan: ReturnType<Router['plan']>
    try {
      plan = this.#plan(journey)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      this.#leave(journey, error)
      return
    }
    for (const deployment of plan.ranked) {
      const attempt = this.router.start(journey.group, deployment, journey.features.promptTokensMin)
      if (attempt instanceof RouteAttempt) {
        this.#send(journey, attempt)
        return
      }
    }
    this.#leave(journey, new GatewayError('no_deployment_available', 'all were taken since the plan was made'))
  }

  #plan({ group, features: call, tried }: Journey): ReturnType<Router['plan']> {
    try {
      return this.router.plan(group, call, tried)
    } catch (error) {
      if (tried.size === 0) throw error
      return this.router.plan(group, call)
    }
  }

  #send(journey: Journey, attempt: RouteAttempt): void {
    const { deployment } = attempt
    const at = this.clock.now()
    const { latency, failure, retryAfter } = this.#behaviour(deployment, at - this.#origin, this.#random)
    this.hops.push({
      at: at - this.#origin,
      call: journey.call,
      deployment: deployment.id,
      failure,
      probe: attempt.probe,
    })
    journey.attempts += 1
    this.#schedule(at + latency, () => {
      if (failure !== undefined) {
        this.#failed(journey, attempt, new UpstreamFailure(failure, 'simulated', { retryAfter }))
        return
      }
      attempt.succeeded({ latency, ttft: latency / 4, stream: false, inputTokens: 10, outputTokens: 10 })
      this.#finish(journey, deployment.id, undefined)
    })
  }

  #failed(journey: Journey, attempt: RouteAttempt, failure: UpstreamFailure): void {
    attempt.failed(failure)
    const { deployment } = attempt
    journey.tried.add(deployment.id)
    const decision = retryDecision({
      failure,
      attempt: journey.retries,
      settings: this.router.settings,
      deployment,
      group: journey.group.name,
      hasAlternative: journey.group.deployments.some(d => !journey.tried.has(d.id) && this.router.available(d)),
      random: this.#random,
    })
    if (!decision.retry) {
      this.#leave(journey, failure)
      return
    }
    journey.retries += 1
    this.#schedule(this.clock.now() + decision.delay, () => this.#enter(journey))
  }

  /** The group gave up: on to the first fallback, if there is one. */
  #leave(journey: Journey, failure: GatewayError): void {
    const [target] = fallbackChain({
      group: journey.group.name,
      failure,
      settings: this.router.settings,
      visited: journey.visited,
      depth: journey.fallbacks,
    })
    const group = target === undefined ? undefined : this.router.resolve(target.model)
    if (group === undefined) {
      this.#finish(journey, undefined, failure)
      return
    }
    journey.visited.add(group.name)
    journey.group = group
    journey.fallbacks += 1
    journey.retries = 0
    journey.tried = new Set()
    this.#enter(journey)
  }

  #finish(journey: Journey, answeredBy: string | undefined, error: GatewayError | undefined): void {
    const { call, began, attempts, fallbacks, done } = journey
    done({ call, at: began - this.#origin, answeredBy, error, attempts, fallbacks, duration: this.clock.now() - began })
  }

  #schedule(at: number, run: () => void): void {
    const event = { at, order: this.#order++, run }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#events[middle]
      if (other !== undefined && (other.at < at || (other.at === at && other.order < event.order))) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
  }
}
