/**
 * When a policy holds. Every condition that is written must hold; of a list any entry is enough. Names may have `*` for
 * any text.
 */
export interface PolicyConditions {
  readonly roles?: readonly string[] | undefined
  /** User ids. */
  readonly users?: readonly string[] | undefined
  /** The team the caller acts for; where it acts for none, those it belongs to. */
  readonly teams?: readonly string[] | undefined
  readonly organizations?: readonly string[] | undefined
  /** Aliases, or SHA-256 hashes. */
  readonly keys?: readonly string[] | undefined
  /** How the caller proved who it is: `virtual_key`, `jwt`, `session`, … */
  readonly proofs?: readonly string[] | undefined
  /** As in `allowed_routes`: groups, declared paths, `/spend/*`. */
  readonly routes?: readonly string[] | undefined
  /** Names as asked for, and the group they stand for. */
  readonly models?: readonly string[] | undefined
  /** Names of tools a call offers. A deny holds when one is named, an allow when all are. */
  readonly tools?: readonly string[] | undefined
  readonly tags?: readonly string[] | undefined
  /** Addresses and CIDR ranges. */
  readonly addresses?: readonly string[] | undefined
  readonly times?: readonly TimeWindow[] | undefined
}

export interface TimeWindow {
  /** `mon` … `sun`: the day on which the window begins. Default: every day. */
  readonly days?: readonly string[] | undefined
  /** `HH:MM`. Default: `00:00`. */
  readonly from?: string | undefined
  /** `HH:MM`, exclusive; before `from` it is of the next day. Default: the end of the day. */
  readonly to?: string | undefined
  /** IANA name. Default: UTC. */
  readonly time_zone?: string | undefined
}

/** A rule as it is written in `routeiq.access_policies` and sent to `/v1/routeiq/policies`. */
export interface Policy extends PolicyConditions {
  readonly name: string
  readonly description?: string | undefined
  readonly effect: 'allow' | 'deny'
  /** Exceptions: the policy does not hold where all of these do. */
  readonly unless?: PolicyConditions | undefined
  /** Decides nothing: where it would have, that is logged and counted. */
  readonly dry_run?: boolean | undefined
  readonly enabled?: boolean | undefined
}

/** A policy that cannot be compiled: which field, and why. */
export class PolicyInvalid extends Error {
  readonly param: string
  readonly reason: string

  constructor(param: string, reason: string) {
    super(`'${param}' ${reason}`)
    this.name = 'PolicyInvalid'
    this.param = param
    this.reason = reason
  }
}
