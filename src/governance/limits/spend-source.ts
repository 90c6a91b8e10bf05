import type { LimitRule } from './limit-rule.ts'

/** Where a budget's counter finds what was spent before it existed. */
export interface SpendSource {
  /**
   * Nano-dollars spent in the running window of a budget.
   * @param since beginning of the window, epoch ms; undefined: ever
   * @throws StoreUnavailable
   */
  spent(rule: LimitRule, since: number | undefined): Promise<number>
}
