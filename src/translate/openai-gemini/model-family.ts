/**
 * What a model name says about the dialect of its settings. Rolling aliases (`gemini-flash-latest`) count as the newest
 * generation, but get token budgets: those are accepted on both sides of a generation change, levels are not.
 */
export interface ModelFamily {
  /** Major generation; 3 for rolling aliases and unknown Gemini names, 0 for Gemma. */
  readonly generation: number
  readonly gemma: boolean
  readonly tier: 'pro' | 'flash' | 'flash-lite'
  /** Which of `thinkingBudget` and `thinkingLevel` the model takes; `none` when it does not think. */
  readonly thinking: 'budget' | 'level' | 'none'
  /** Gemini 3 refuses a replayed function call without a thought signature. */
  readonly needsSignatures: boolean
  /** `mediaResolution` may be set on one part; older generations know only the request-wide setting. */
  readonly partResolution: boolean
  /** Media may travel inside a function response. */
  readonly mediaInToolResults: boolean
  /** The version with its minor number, 3.1 for `gemini-3.1-pro`; 0 when the name has none. */
  readonly version: number
}

const versioned = /gemini-(\d{1,2})(?:\.(\d))?/

export function modelFamily(model: string): ModelFamily {
  const name = model.toLowerCase()
  const gemma = name.includes('gemma') || name.includes('learnlm')
  const found = versioned.exec(name)
  const major = found === null ? undefined : Number(found[1])
  const version = major === undefined ? 0 : major + Number(found?.[2] ?? 0) / 10
  const generation = gemma ? 0 : (major ?? 3)
  const modern = generation >= 3
  return {
    generation,
    gemma,
    tier: name.includes('flash-lite') ? 'flash-lite' : name.includes('pro') ? 'pro' : 'flash',
    thinking:
      gemma || (major !== undefined && version < 2.5)
        ? name.includes('thinking')
          ? 'budget'
          : 'none'
        : modern && major !== undefined
          ? 'level'
          : 'budget',
    needsSignatures: modern,
    partResolution: modern && major !== undefined,
    mediaInToolResults: modern && major !== undefined,
    version,
  }
}
