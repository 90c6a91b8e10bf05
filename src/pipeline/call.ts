import type { ServerResponse } from 'node:http'
import type { Principal } from '../governance/authentication/principal.ts'
import type { RoutingDecision } from '../learning/decision.ts'
import type { NativeRequest } from '../providers/wire.ts'
import type { TokenUsage } from '../translate/token-usage.ts'
import type { Cost } from './accounting/cost.ts'
import type { KeptAnswer } from './accounting/kept-bodies.ts'
import type { Deployment } from './deployment.ts'
import type { Door } from './door.ts'
import type { Attribution } from './identity/attribution.ts'
import type { Reservation } from './reservation/reservation.ts'
import type { Inspection } from './routing/learned/inspect-answer.ts'
import type { RoutingOverrides } from './routing/learned/overrides.ts'
import type { Consideration, Routed } from './routing/types.ts'
import type { Snapshot } from './snapshot.ts'

/** What a caller may set per call, from body fields and `x-litellm-*` headers. Times are milliseconds. */
export interface CallOptions {
  readonly timeout: number | undefined
  readonly streamTimeout: number | undefined
  readonly numRetries: number | undefined
  readonly fallbacks: readonly unknown[] | undefined
  readonly disableFallbacks: boolean
}

/** One try at one deployment, kept for the headers and the explain endpoint. Fixed size: no bodies, no messages. */
export interface Hop {
  readonly group: string
  readonly deployment: string
  readonly provider: string
  readonly model: string
  readonly startedAt: number
  duration: number
  status: number
  /** Failure kind, or undefined when the hop answered. */
  error: string | undefined
  message: string | undefined
  /** Milliseconds waited before this hop (back-off). */
  readonly delay: number
}

export interface PlanRecord {
  readonly group: string
  readonly strategy: string
  readonly reason: string
  readonly considered: readonly Consideration[]
  readonly chosen: string | undefined
  /** Of a learned route; `answering` is what it calls the model of the chosen deployment. */
  readonly decision?: RoutingDecision | undefined
  readonly answering?: string | undefined
}

/** An answer that was paid for and not sent: a cascade's check did not let it pass. */
export interface Discarded {
  readonly usage: TokenUsage | undefined
  readonly cost: Cost
}

/** Everything known of one call while it travels. Fixed shape: fields are set once, in order of travel. */
export class Call {
  /** What the caller sees and may have chosen. */
  readonly id: string
  /** What the books know it by: always ours, unique. */
  readonly recordId: string
  readonly snapshot: Snapshot
  readonly door: Door
  readonly identity: Principal
  readonly attribution: Attribution
  /** Where it comes from, trusted proxies taken into account. */
  readonly address: string
  readonly request: NativeRequest
  readonly model: string
  readonly stream: boolean
  readonly options: CallOptions
  /** What the caller demands of the routing. */
  readonly routing: RoutingOverrides
  readonly response: ServerResponse
  /** Monotonic milliseconds at which the request head was read. */
  readonly startedAt: number
  readonly epoch: number

  /** The caller has gone. */
  closed: boolean
  #onClose: (() => void) | undefined

  retries = 0
  fallbacks = 0
  /** The configured `model_name` that was asked for, alias and wildcard resolved; undefined: there is no such model. */
  modelName: string | undefined
  deployment: Deployment | undefined
  routed: Routed | undefined
  /** Of a complete answer to a call that a learned route decided. */
  inspected: Inspection | undefined
  /** What was taken of limits and budgets until the call is settled. */
  reservation: Reservation | undefined
  usage: TokenUsage | undefined
  /** Its answer, where bodies are kept. */
  kept: KeptAnswer | undefined
  droppedParams: readonly string[] = []
  /** Milliseconds spent waiting for upstreams, back-off included; the rest of the duration is our own. */
  upstreamTime = 0
  ttft: number | undefined
  status = 0
  error: string | undefined
  readonly discarded: Discarded[] = []
  /** The first is put in with its list: an empty list that is pushed to makes room for seventeen. */
  hops: Hop[] = []
  plans: PlanRecord[] = []

  constructor(init: {
    id: string
    recordId: string
    snapshot: Snapshot
    door: Door
    identity: Principal
    attribution: Attribution
    address: string
    request: NativeRequest
    model: string
    stream: boolean
    options: CallOptions
    routing: RoutingOverrides
    response: ServerResponse
    startedAt: number
    epoch: number
  }) {
    this.id = init.id
    this.recordId = init.recordId
    this.snapshot = init.snapshot
    this.door = init.door
    this.identity = init.identity
    this.attribution = init.attribution
    this.address = init.address
    this.request = init.request
    this.model = init.model
    this.stream = init.stream
    this.options = init.options
    this.routing = init.routing
    this.response = init.response
    this.startedAt = init.startedAt
    this.epoch = init.epoch
    // It may have left while the call waited for its place.
    this.closed = init.response.destroyed
    init.response.on('close', () => {
      this.closed = true
      this.#onClose?.()
    })
  }

  /** The current waiter to be woken when the caller goes away; one at a time. */
  onClose(listener: (() => void) | undefined): void {
    this.#onClose = listener
    if (this.closed) listener?.()
  }
}
