import { choose, computeUtility, type Goal } from './choose.ts'
import type { ScoreHistory } from './score-history.ts'
import { Scores } from './scores.ts'

/** What is wanted over many calls, in place of a λ. */
export type Target =
  | { readonly kind: 'max_cost_per_1k' /** US dollars per thousand calls. */; readonly dollars: number }
  | {
      readonly kind: 'min_quality_of'
      readonly model: string /** Of that model's mean, 0..1. */
      readonly share: number
    }
  | { readonly kind: 'max_strong_share'; readonly model: string; readonly share: number }

/** λ, or for shares the price on the strong model, that meets a target on recent calls. */
export interface Solution {
  readonly lambda: number
  /** In quality, on the strong model alone. */
  readonly handicap: number
  /** False: not even the extreme meets it. */
  readonly met: boolean
  /** What it would have meant for the calls it was solved over. */
  readonly cost: number
  readonly quality: number
  readonly strongShare: number
}

/** The most that is tried: a cent of mean cost is then worth all quality. */
const maxLambda = 100
const steps = 26

/** Over recent calls as they were scored, without making one. About 2 ms for 512 calls and 5 models. */
export function solve(target: Target, history: ScoreHistory, base: Goal): Solution {
  const replay = new Replay(history, base, target)
  switch (target.kind) {
    case 'max_strong_share':
      return bisect(
        t => replay.at(base.lambda, 2 * t ** 2),
        ({ strongShare }) => strongShare <= target.share + 1e-9,
      )
    case 'max_cost_per_1k':
      return bisect(
        t => replay.at(maxLambda * t ** 4, 0),
        ({ cost }) => cost * 1000 <= target.dollars,
      )
    case 'min_quality_of': {
      // The largest λ that keeps the quality: from the far end back, as far as is needed.
      const least = target.share * replay.meanQualityOf(target.model)
      return bisect(
        t => replay.at(maxLambda * (1 - t) ** 4, 0),
        ({ quality }) => quality >= least,
      )
    }
  }
}

/** Smallest t of 0..1 at which the test holds; it goes on holding from there. */
function bisect(at: (t: number) => Solution, holds: (outcome: Solution) => boolean): Solution {
  const first = at(0)
  if (holds(first)) return first
  let best = at(1)
  if (!holds(best)) return { ...best, met: false }
  let from = 0
  let to = 1
  for (let step = 0; step < steps; step++) {
    const middle = (from + to) / 2
    const outcome = at(middle)
    if (holds(outcome)) {
      to = middle
      best = outcome
    } else {
      from = middle
    }
  }
  return best
}

/** Chooses for every remembered call again, with another λ. */
class Replay {
  readonly #history: ScoreHistory
  readonly #base: Goal
  readonly #target: Target
  readonly #scores = new Scores(32)

  constructor(history: ScoreHistory, base: Goal, target: Target) {
    this.#history = history
    this.#base = base
    this.#target = target
  }

  at(lambda: number, handicap: number): Solution {
    const strong = this.#target.kind === 'max_strong_share' ? this.#target.model : undefined
    const goal: Goal = {
      ...this.#base,
      lambda,
      handicap: strong === undefined ? undefined : { name: strong, price: handicap },
    }
    const scores = this.#scores
    let cost = 0
    let quality = 0
    let strongCalls = 0
    let calls = 0
    for (let row = 0; row < this.#history.size; row++) {
      this.#history.read(row, scores)
      computeUtility(scores, goal)
      const chosen = choose(scores, goal.tie)
      if (chosen < 0) continue
      calls++
      const own = scores.cost[chosen] as number
      if (!Number.isNaN(own)) cost += own
      quality += scores.quality[chosen] as number
      if (scores.names[chosen] === strong) strongCalls++
    }
    const count = Math.max(1, calls)
    return {
      lambda,
      handicap,
      met: true,
      cost: cost / count,
      quality: quality / count,
      strongShare: strongCalls / count,
    }
  }

  /** Over the calls in which it was a candidate. */
  meanQualityOf(model: string): number {
    const scores = this.#scores
    let sum = 0
    let calls = 0
    for (let row = 0; row < this.#history.size; row++) {
      this.#history.read(row, scores)
      const at = scores.names.indexOf(model)
      if (at < 0) continue
      sum += scores.quality[at] as number
      calls++
    }
    return calls === 0 ? 0 : sum / calls
  }
}
