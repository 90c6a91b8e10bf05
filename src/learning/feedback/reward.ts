/** How far a kind of feedback is trusted, 0..1. Implicit signs are guesses: half at most (docs/learned-routing-loop.md). */
const weights: Readonly<Record<string, number>> = {
  user: 1,
  thumb: 1,
  thumbs: 1,
  rating: 1,
  score: 1,
  check: 1,
  test: 1,
  reference: 1,
  judge: 0.7,
  implicit: 0.5,
  accept: 0.5,
  copy: 0.5,
  edit: 0.5,
  retry: 0.5,
  rephrase: 0.5,
  escalate: 0.5,
  abandon: 0.3,
}

/** Of kinds that we do not know: somebody's own measure. */
const unknownKind = 0.5

export const weightOf = (kind: string): number => weights[kind] ?? unknownKind

export type Scale = '-1..1' | '0..1'

/** @returns 0..1 */
export const rewardOf = (score: number, scale: Scale): number =>
  Math.min(1, Math.max(0, scale === '0..1' ? score : (score + 1) / 2))
