import type { Constraint } from '../decision.ts'

/** Codes of `Scores.removed`: 0 is kept, else one more than the place in this list. */
export const constraints: readonly Constraint[] = [
  'unavailable',
  'context_window',
  'unsupported_params',
  'capability',
  'region',
  'not_allowed',
  'max_cost',
  'max_latency',
  'quality_floor',
  'unknown_model',
  'dominated',
]

const codes: ReadonlyMap<Constraint, number> = new Map(constraints.map((name, index) => [name, index + 1]))

export const removedAs = (constraint: Constraint): number => codes.get(constraint) ?? 0

/**
 * What is expected of every candidate of one call, side by side in columns. Reused from call to call, so that scoring
 * leaves no garbage.
 */
export class Scores {
  count = 0
  /** Settles ties that nothing else does, so that the order of the candidates never matters. */
  readonly names: string[] = []
  /** 0..1. */
  readonly quality: Float64Array
  readonly variance: Float64Array
  /** US dollars; NaN: no price is known. */
  readonly cost: Float64Array
  /** Milliseconds; NaN: nothing is known. */
  readonly latency: Float64Array
  /** Added to the utility: what staying with a session's model is worth. */
  readonly bonus: Float64Array
  readonly utility: Float64Array
  /** 0, or what removed the candidate: see `constraints`. */
  readonly removed: Uint8Array

  constructor(capacity: number) {
    this.quality = new Float64Array(capacity)
    this.variance = new Float64Array(capacity)
    this.cost = new Float64Array(capacity)
    this.latency = new Float64Array(capacity)
    this.bonus = new Float64Array(capacity)
    this.utility = new Float64Array(capacity)
    this.removed = new Uint8Array(capacity)
  }

  get capacity(): number {
    return this.quality.length
  }

  clear(): void {
    this.count = 0
    this.names.length = 0
  }

  /** @returns the place of the new candidate, of which nothing is known yet */
  add(name: string): number {
    const at = this.count++
    this.names[at] = name
    this.quality[at] = 0
    this.variance[at] = 0
    this.cost[at] = Number.NaN
    this.latency[at] = Number.NaN
    this.bonus[at] = 0
    this.utility[at] = 0
    this.removed[at] = 0
    return at
  }

  remove(at: number, constraint: Constraint): void {
    if (this.removed[at] === 0) this.removed[at] = removedAs(constraint)
  }

  removedBy(at: number): Constraint | undefined {
    const code = this.removed[at] ?? 0
    return code === 0 ? undefined : constraints[code - 1]
  }

  kept(at: number): boolean {
    return this.removed[at] === 0
  }
}
