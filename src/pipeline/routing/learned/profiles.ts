import type { Preset } from '../../../learning/objective/presets.ts'

/** RouteIQ's profiles. */
export const profileNames = ['auto', 'eco', 'premium', 'free', 'reasoning'] as const
export type Profile = (typeof profileNames)[number]

export const isProfile = (name: string): name is Profile => (profileNames as readonly string[]).includes(name)

export interface ProfileRules {
  readonly preset: Preset
  /** Only models known to cost nothing. (RouteIQ's own never looks at the price.) */
  readonly free: boolean
  /** Models known to reason, where the pool has one. */
  readonly reasoning: boolean
}

export const profiles: Readonly<Record<Profile, ProfileRules>> = {
  auto: { preset: 'balanced', free: false, reasoning: false },
  eco: { preset: 'cheap', free: false, reasoning: false },
  premium: { preset: 'quality', free: false, reasoning: false },
  free: { preset: 'quality', free: true, reasoning: false },
  reasoning: { preset: 'quality', free: false, reasoning: true },
}
