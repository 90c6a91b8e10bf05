import { margin } from './bootstrap.ts'
import type { MethodReport } from './method-report.ts'
import { signed } from './render/numbers.ts'

export interface Check {
  readonly name: string
  readonly passed: boolean
  /** What was found and what was wanted. */
  readonly found: string
}

/** Whether a router is worth deploying. */
export interface Gate {
  readonly passed: boolean
  readonly checks: readonly Check[]
}

/** Standard errors a gain must have over nothing. */
const errors = 2
/**
 * Of a gain over the hull, which takes the best of many points and so gains by chance. Of 300 routers that knew nothing
 * (100 and 400 prompts) 20 were above by 2 errors, and 5 by 2.5 after what a hull gains by chance was taken off.
 */
const errorsOfHull = 2.5

/** Logged calls below which an estimate of what others would have come to is not believed. */
const leastEvidence = 200

/** Against mixing single models at random. */
export function standing(
  gain: number,
  noise: Pick<MethodReport['noise'], 'aiqOverHull' | 'optimism'>,
): MethodReport['standing'] {
  const bound = errorsOfHull * noise.aiqOverHull
  if (gain - noise.optimism > bound) return 'above'
  return gain < -bound ? 'below' : 'level'
}

/**
 * A router passes when it is better, by more than its noise, than what needs no router at all: mixing single models at
 * random, and always taking the best one. The latter is beaten by more quality, or by the same quality for less money.
 */
export function gate(method: MethodReport): Gate {
  const { noise } = method
  const better = method.qualityOverBest - errors * noise.qualityOverBest
  const cheaper = method.savingWithinMargin - errors * noise.saving
  const checks: Check[] = [
    {
      name: 'hull of single models',
      passed: method.standing === 'above',
      found: `AIQ ${signed(method.aiqOverHull)} ± ${noise.aiqOverHull.toFixed(4)} (${noise.optimism.toFixed(4)} of it by chance), wanted more than ${errorsOfHull} standard errors above 0`,
    },
    {
      name: 'no loss of quality',
      passed: method.qualityOverBest >= -margin,
      found: `quality ${signed(method.qualityOverBest)} at λ = 0 against the best single model, wanted at least −${margin}`,
    },
    {
      name: 'best single model',
      passed: better > 0 || cheaper > 0,
      found:
        `quality ${signed(method.qualityOverBest)} ± ${noise.qualityOverBest.toFixed(4)}, ` +
        `saving ${(100 * method.savingWithinMargin).toFixed(1)} % ± ${(100 * noise.saving).toFixed(1)} at its quality less ${margin}, ` +
        `wanted one of them more than ${errors} standard errors above 0`,
    },
  ]
  if (method.effectiveSample !== undefined)
    checks.push({
      name: 'evidence',
      passed: method.effectiveSample >= leastEvidence,
      found: `the estimate rests on ${Math.round(method.effectiveSample)} logged calls that the router would have made likewise, wanted ${leastEvidence}`,
    })
  return { passed: checks.every(({ passed }) => passed), checks }
}
