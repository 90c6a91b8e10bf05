import type { Goal } from '../../../learning/objective/choose.ts'
import { ScoreHistory } from '../../../learning/objective/score-history.ts'
import type { Scores } from '../../../learning/objective/scores.ts'
import { type Solution, solve, type Target } from '../../../learning/objective/solve.ts'

/** Calls that must have been scored before a target is solved on them. */
const enough = 16
/** Targets solved at a time per route; callers may bring their own. */
const maxTargets = 32
/** New calls after which a solution is worth making anew. */
const stale = 64

interface Solved {
  readonly solution: Solution
  /** Rows ever added when it was made. */
  readonly at: number
}

/**
 * What targets come to on the recent calls of one route. Solutions are made in the background; a decision only reads the
 * last one.
 */
export class Targets {
  readonly history = new ScoreHistory()
  readonly #solved = new Map<string, Solved>()
  readonly #wanted = new Map<string, { readonly target: Target; readonly goal: Goal }>()
  #scheduled = false

  /** Notes what was expected of a call. */
  add(scores: Scores): void {
    this.history.add(scores)
  }

  /** The last solution; undefined: too few calls yet. A new one is made soon, where this one is stale. */
  solution(target: Target, goal: Goal): Solution | undefined {
    if (this.history.size < enough) return undefined
    const key = JSON.stringify(target)
    const known = this.#solved.get(key)
    // Few calls: every one changes the picture. Many: now and then.
    const due = known === undefined || this.history.added - known.at >= Math.min(stale, this.history.size / 4)
    if (due) {
      if (this.#wanted.has(key) || this.#wanted.size < maxTargets) this.#wanted.set(key, { target, goal })
      this.#schedule()
    }
    return known?.solution
  }

  solveNow(): void {
    for (const [key, { target, goal }] of this.#wanted) {
      if (this.#solved.size >= maxTargets && !this.#solved.has(key)) {
        const oldest = this.#solved.keys().next()
        if (!oldest.done) this.#solved.delete(oldest.value)
      }
      this.#solved.set(key, { solution: solve(target, this.history, goal), at: this.history.added })
    }
    this.#wanted.clear()
  }

  /** One target per turn of the event loop would be politer; there is one in practice, and it takes 2 ms. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.solveNow()
    })
  }
}
