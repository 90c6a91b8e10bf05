import type { LimitRule } from '../governance/limits/limit-rule.ts'
import type { FailureKind } from '../platform/errors/gateway-error.ts'
import type { LiveSecret } from '../platform/secrets/live-secret.ts'
import type { ModelPrice } from '../providers/model-price.ts'
import type { Target, Wire } from '../providers/wire.ts'

/**
 * One upstream that can answer for a model group. Compiled into the snapshot, and immutable but for its target: another
 * one takes its place when the credential in it is rotated. Times are milliseconds.
 */
export interface Deployment {
  /** Stable over restarts: `model_info.id`, else a hash of the parameters. Sent as `x-litellm-model-id`. */
  readonly id: string
  /** The public name callers ask for (`model_name`). */
  readonly group: string
  readonly wire: Wire
  readonly target: Target
  /** Where the target's credential comes from, when it may change while the gateway runs. */
  readonly credential?: LiveSecret | undefined
  readonly price: ModelPrice | undefined
  readonly weight: number | undefined
  readonly rpm: number | undefined
  readonly tpm: number | undefined
  readonly order: number | undefined
  readonly maxParallelRequests: number | undefined
  /** Rates and budget of its own, counted in shared state; see `reservation/attempt-leases.ts`. */
  readonly limits?: readonly LimitRule[]
  readonly timeout: number
  readonly streamTimeout: number | undefined
  readonly ttftTimeout: number | undefined
  readonly streamIdleTimeout: number | undefined
  readonly numRetries: number | undefined
  /** Where the endpoint is, as the operator names it. */
  readonly region?: string | undefined
  /** `model_info.quality_score`: how good the operator holds the model to be, 0..1. */
  readonly qualityScore?: number | undefined
  readonly cooldown: number | undefined
  readonly allowedFails: number | undefined
  /** `model_info.allowed_fails_policy`: failures tolerated per kind in 60 s. */
  readonly allowedFailsPolicy?: Readonly<Partial<Record<FailureKind, number>>>
}
