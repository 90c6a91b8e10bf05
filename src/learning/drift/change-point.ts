/**
 * Page–Hinkley: has the mean of a series gone down (or up) since some moment? It compares the sum of deviations from the
 * running mean with the best it ever was. Plain data, so that it lives in the store.
 */
export interface PageHinkley {
  readonly n: number
  readonly mean: number
  readonly fallen: number
  readonly risen: number
}

export interface PageHinkleySettings {
  /** Deviation that is noise. */
  readonly tolerance: number
  /** Sum of deviations that is no chance. */
  readonly threshold: number
  /** Values before anything is said. */
  readonly minEvents: number
}

/**
 * For rewards in 0..1. Their variance is 0.25 at most, so a stable cell alarms about once in exp(2·tolerance·threshold/0.25)
 * ·0.25/(2·tolerance²) ≈ 150,000 events, and one that lost 0.3 after about 80.
 */
export const rewardSettings: PageHinkleySettings = { tolerance: 0.05, threshold: 20, minEvents: 30 }

export const start: PageHinkley = { n: 0, mean: 0, fallen: 0, risen: 0 }

export function withValue(state: PageHinkley, value: number, { tolerance }: PageHinkleySettings): PageHinkley {
  const n = state.n + 1
  const mean = state.mean + (value - state.mean) / n
  return {
    n,
    mean,
    fallen: Math.max(0, state.fallen + mean - value - tolerance),
    risen: Math.max(0, state.risen + value - mean - tolerance),
  }
}

export function alarms(
  state: PageHinkley,
  { threshold, minEvents }: PageHinkleySettings,
): { readonly fallen: boolean; readonly risen: boolean } {
  const enough = state.n >= minEvents
  return { fallen: enough && state.fallen > threshold, risen: enough && state.risen > threshold }
}
