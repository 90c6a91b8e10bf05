import type { Window } from '../../platform/shared-state/shared-state.ts'
import type { LimitRule } from './limit-rule.ts'

/** A budget's counter in shared state, and what the books have for it. */
export interface CountedSpend {
  readonly key: string
  readonly window: Window
  /** Nano-dollars. @throws StoreUnavailable */
  readonly spent: () => Promise<number>
}

/** Where a budget's counter finds what was spent before it existed. */
export interface SpendSource {
  /**
   * Nano-dollars spent in the running window of a budget.
   * @param since beginning of the window, epoch ms; undefined: ever
   * @throws StoreUnavailable
   */
  spent(rule: LimitRule, since: number | undefined): Promise<number>
  /** A counter is started with the answer, which lacks the calls that are on their way to the books. */
  started?(counter: CountedSpend): void
}
