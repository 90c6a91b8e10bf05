import { type ArmTally, type GuardSettings, guardDefaults, type Thresholds } from './guard-settings.ts'

/**
 * What a router decides by, and what is on its way to take that place. Plain data: the same in the store, in every
 * replica and after a crash. All changes are made by the functions of `transitions.ts`.
 */
export interface RouterState {
  /** Artifact ids. */
  readonly active: string | null
  readonly previous: string | null
  readonly rollout: Rollout | null
  /** Set by drift: nothing is promoted until somebody has looked. */
  readonly frozen: { readonly since: number; readonly reason: string } | null
  /** Factor on the configured exploration. */
  readonly exploration: number
}

export interface Rollout {
  readonly id: string
  readonly artifact: string
  /** Index into `shares`. */
  readonly step: number
  /** Of calls that the candidate decides, rising; 0: it only watches. */
  readonly shares: readonly number[]
  readonly startedAt: number
  readonly stepAt: number
  /** Advances by itself when its guards allow it. */
  readonly automatic: boolean
  readonly guards: GuardSettings
  /** What counts as slow and as dear; fixed before the candidate is looked at. */
  readonly thresholds: Thresholds | null
  /** The control's numbers of the step before: what the last step, which has no control, is held against. */
  readonly baseline: ArmTally | null
}

export const emptyState: RouterState = {
  active: null,
  previous: null,
  rollout: null,
  frozen: null,
  exploration: 1,
}

export const defaultShares: readonly number[] = [0, 0.01, 0.05, 0.25, 1]

/** `shadow`, `canary_5`, `active`, `none`: as transitions and lists call it. */
export function stageOf({ active, rollout }: RouterState): string {
  if (rollout === null) return active === null ? 'none' : 'active'
  return stepName(rollout)
}

export function stepName({ shares, step }: Pick<Rollout, 'shares' | 'step'>): string {
  const share = shares[step] ?? 0
  return share === 0 ? 'shadow' : `canary_${Math.round(share * 10_000) / 100}`
}

export const shareOf = ({ shares, step }: Pick<Rollout, 'shares' | 'step'>): number => shares[step] ?? 0

/** Reads what a row holds. Fields of a newer version are kept out, missing ones have their defaults. */
export function parseState(text: string): RouterState {
  const value = JSON.parse(text) as Partial<RouterState>
  const { rollout } = value
  return {
    active: value.active ?? null,
    previous: value.previous ?? null,
    rollout: rollout == null ? null : { ...rollout, guards: { ...guardDefaults, ...rollout.guards } },
    frozen: value.frozen ?? null,
    exploration: value.exploration ?? 1,
  }
}
