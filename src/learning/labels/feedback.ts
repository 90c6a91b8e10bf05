import { type Label, sourceWeight } from './label.ts'

/** What a person, or a person's behaviour, said of one call. */
export interface Feedback {
  /** −1 (bad) to 1 (good). */
  readonly score: number
  /** `thumb`, `rating`, `score`: given; `retry`, `rephrase`, `edit`, `abandon`, `escalate`, `accept`: observed. */
  readonly kind: string
}

const observed = new Set(['retry', 'rephrase', 'edit', 'abandon', 'escalate', 'accept', 'copy', 'implicit'])

/** @returns undefined for a score that is no number */
export function feedbackLabel({ score, kind }: Feedback): Label | undefined {
  if (!Number.isFinite(score)) return undefined
  const source = observed.has(kind) ? 'implicit' : 'feedback'
  return { source, value: Math.min(1, Math.max(0, (score + 1) / 2)), weight: sourceWeight[source] }
}
