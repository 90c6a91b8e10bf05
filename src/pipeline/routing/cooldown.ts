import type { Clock } from '../../platform/clock.ts'
import type { FailureKind, UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { Deployment } from '../deployment.ts'
import {
  type CooldownCause,
  type CooldownPolicy,
  cooldownDuration,
  isCallersFault,
  triggered,
} from './cooldown-policy.ts'
import { SlidingWindow } from './sliding-window.ts'

/** closed: calls pass. open: cooling down. half_open: the pause is over, one probe call decides. */
export type CircuitState = 'closed' | 'open' | 'half_open'

export interface CooldownChange {
  readonly deployment: Deployment
  readonly state: CircuitState
  /** What opened it; the probe's verdict is `probe_failed`. */
  readonly cause: CooldownCause | undefined
  readonly kind: FailureKind | undefined
  /** Milliseconds of the pause; 0 unless `open`. */
  readonly duration: number
}

export interface CoolingDeployment {
  readonly deployment: Deployment
  readonly state: 'open' | 'half_open'
  readonly cause: CooldownCause
  readonly kind: FailureKind
  /** Milliseconds left; 0 when half-open. */
  readonly remaining: number
  /** Pauses in a row. */
  readonly openings: number
}

export interface CooldownOptions {
  readonly clock: Clock
  /** Told of every change, in the same tick. Must not throw. */
  readonly onChange?: ((change: CooldownChange) => void) | undefined
  /** Deployments remembered, default 10,000. */
  readonly maxEntries?: number
}

export interface FailureContext {
  readonly policy: CooldownPolicy
  /** Deployments in the group: a lone one is not cooled by default, for there is nowhere else to go. */
  readonly groupSize: number
  /** The call was the probe of a half-open deployment. */
  readonly probe: boolean
}

/** Shortest time after which a probe that never reported is given up, milliseconds; else the deployment's timeout. */
const minProbeLease = 30_000

interface Circuit {
  deployment: Deployment
  /** Open or half-open, by `until`. */
  tripped: boolean
  until: number
  openings: number
  cause: CooldownCause
  kind: FailureKind
  /** The lease of the probe in flight ends here; 0 when there is none. */
  probeUntil: number
  readonly requests: SlidingWindow
  readonly failures: SlidingWindow
  /** Made when a kind first occurs. */
  readonly byKind: Map<FailureKind, SlidingWindow>
}

/**
 * Circuit breakers, one per deployment id. A failure acts in the tick it is reported in; retries and fallbacks count
 * like first attempts. After the pause exactly one call is let through: its success closes the circuit, its failure
 * opens it again for twice as long (bounded). LiteLLM's blind timer instead lets the full load back on.
 */
export class Cooldown {
  readonly #clock: Clock
  readonly #onChange: ((change: CooldownChange) => void) | undefined
  readonly #maxEntries: number
  readonly #circuits = new Map<string, Circuit>()

  constructor(options: CooldownOptions) {
    this.#clock = options.clock
    this.#onChange = options.onChange
    this.#maxEntries = options.maxEntries ?? 10_000
  }

  state({ id }: Deployment): CircuitState {
    const circuit = this.#circuits.get(id)
    if (circuit === undefined || !circuit.tripped) return 'closed'
    return this.#clock.now() < circuit.until ? 'open' : 'half_open'
  }

  /** A call could start now: closed, or half-open with the probe still free. Changes nothing. */
  admits({ id }: Deployment): boolean {
    const circuit = this.#circuits.get(id)
    if (circuit === undefined || !circuit.tripped) return true
    const now = this.#clock.now()
    return now >= circuit.until && now >= circuit.probeUntil
  }

  /** Monotonic milliseconds at which the pause ends; undefined when closed. */
  coolingUntil({ id }: Deployment): number | undefined {
    const circuit = this.#circuits.get(id)
    return circuit?.tripped ? circuit.until : undefined
  }

  /** Takes the right to call. `probe`: this call decides over the half-open deployment, and must report as such. */
  claim(deployment: Deployment): 'pass' | 'probe' | 'refused' {
    const circuit = this.#circuits.get(deployment.id)
    if (circuit === undefined || !circuit.tripped) return 'pass'
    const now = this.#clock.now()
    if (now < circuit.until || now < circuit.probeUntil) return 'refused'
    circuit.probeUntil = now + Math.max(deployment.timeout, minProbeLease)
    this.#tell(circuit, 'half_open', 0)
    return 'probe'
  }

  succeeded(deployment: Deployment, probe: boolean): void {
    const circuit = this.#circuit(deployment)
    circuit.requests.add(this.#clock.now(), 1)
    if (probe && circuit.tripped) this.#close(circuit)
  }

  failed(deployment: Deployment, failure: UpstreamFailure, { policy, groupSize, probe }: FailureContext): void {
    const now = this.#clock.now()
    const circuit = this.#circuit(deployment)
    circuit.requests.add(now, 1)
    if (isCallersFault(deployment, failure, policy)) {
      // The upstream answered, which says nothing of whether it has recovered: the next call probes.
      if (probe) circuit.probeUntil = 0
      return
    }
    circuit.failures.add(now, 1)
    this.#kindWindow(circuit, failure.kind).add(now, 1)
    const base = cooldownDuration(deployment, failure, policy, 0)
    if (base === 0) {
      if (circuit.tripped && probe) this.#close(circuit)
      return
    }
    if (circuit.tripped) {
      if (probe)
        this.#open(
          circuit,
          'probe_failed',
          failure.kind,
          cooldownDuration(deployment, failure, policy, circuit.openings),
        )
      // A call from before the pause: its bad news is old, unless the vendor named a later time.
      else if (failure.retryAfter !== undefined && now < circuit.until)
        circuit.until = Math.max(circuit.until, now + base)
      return
    }
    const cause = triggered(deployment, failure, policy, groupSize, {
      requests: circuit.requests.total(now),
      failures: circuit.failures.total(now),
      ofKind: this.#kindWindow(circuit, failure.kind).total(now),
    })
    if (cause !== undefined) this.#open(circuit, cause, failure.kind, base)
  }

  /** The call ended without a verdict (the caller left): the next one may probe. */
  aborted({ id }: Deployment, probe: boolean): void {
    const circuit = this.#circuits.get(id)
    if (probe && circuit !== undefined) circuit.probeUntil = 0
  }

  /** Deployments that are not closed, for health and metrics. */
  list(): CoolingDeployment[] {
    const now = this.#clock.now()
    const cooling: CoolingDeployment[] = []
    for (const { deployment, tripped, until, cause, kind, openings } of this.#circuits.values()) {
      if (!tripped) continue
      const remaining = Math.max(0, until - now)
      cooling.push({ deployment, state: remaining > 0 ? 'open' : 'half_open', cause, kind, remaining, openings })
    }
    return cooling
  }

  /** Forgets every deployment but these, after a reload. */
  prune(deployments: readonly Deployment[]): void {
    const ids = new Set(deployments.map(({ id }) => id))
    for (const id of this.#circuits.keys()) {
      if (!ids.has(id)) this.#circuits.delete(id)
    }
  }

  get size(): number {
    return this.#circuits.size
  }

  #open(circuit: Circuit, cause: CooldownCause, kind: FailureKind, duration: number): void {
    circuit.tripped = true
    circuit.until = this.#clock.now() + duration
    circuit.probeUntil = 0
    circuit.openings += 1
    circuit.cause = cause
    circuit.kind = kind
    this.#tell(circuit, 'open', duration)
  }

  #close(circuit: Circuit): void {
    circuit.tripped = false
    circuit.probeUntil = 0
    circuit.openings = 0
    // A recovered deployment starts afresh: old failures must not trip it again.
    circuit.requests.clear()
    circuit.failures.clear()
    circuit.byKind.clear()
    this.#tell(circuit, 'closed', 0)
  }

  #tell({ deployment, cause, kind }: Circuit, state: CircuitState, duration: number): void {
    const closed = state === 'closed'
    this.#onChange?.({
      deployment,
      state,
      cause: closed ? undefined : cause,
      kind: closed ? undefined : kind,
      duration,
    })
  }

  #kindWindow(circuit: Circuit, kind: FailureKind): SlidingWindow {
    let window = circuit.byKind.get(kind)
    if (window === undefined) {
      window = new SlidingWindow()
      circuit.byKind.set(kind, window)
    }
    return window
  }

  #circuit(deployment: Deployment): Circuit {
    const known = this.#circuits.get(deployment.id)
    if (known !== undefined) {
      known.deployment = deployment
      return known
    }
    if (this.#circuits.size >= this.#maxEntries) this.#evictClosed()
    const circuit: Circuit = {
      deployment,
      tripped: false,
      until: 0,
      openings: 0,
      cause: 'at_once',
      kind: 'internal_server',
      probeUntil: 0,
      requests: new SlidingWindow(),
      failures: new SlidingWindow(),
      byKind: new Map(),
    }
    this.#circuits.set(deployment.id, circuit)
    return circuit
  }

  /** Drops the oldest closed circuit, or the oldest of all: memory comes before memory of failures. */
  #evictClosed(): void {
    let victim: string | undefined
    for (const [id, circuit] of this.#circuits) {
      victim ??= id
      if (circuit.tripped) continue
      victim = id
      break
    }
    if (victim !== undefined) this.#circuits.delete(victim)
  }
}
