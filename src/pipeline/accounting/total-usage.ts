import type { TokenUsage } from '../../translate/token-usage.ts'
import type { Call } from '../call.ts'
import type { Cost } from './cost.ts'

/** Tokens of the answer and of those that a cascade did not let pass: all of them were used. */
export function totalUsage({ usage, discarded }: Call): TokenUsage | undefined {
  if (discarded.length === 0) return usage
  let total = usage
  for (const { usage: own } of discarded)
    total = total === undefined || own === undefined ? (total ?? own) : sum(total, own)
  return total
}

/** The same of their costs. */
export function totalCost(cost: Cost | undefined, { discarded }: Call): Cost | undefined {
  if (discarded.length === 0) return cost
  return discarded.reduce<Cost>(
    (total, { cost: own }) => ({
      total: total.total + own.total,
      lines: [...total.lines, ...own.lines],
      priced: total.priced && own.priced,
    }),
    cost ?? { total: 0, lines: [], priced: true },
  )
}

function sum(a: TokenUsage, b: TokenUsage): TokenUsage {
  return {
    ...a,
    input: a.input + b.input,
    cacheRead: a.cacheRead + b.cacheRead,
    cacheWrite: a.cacheWrite + b.cacheWrite,
    cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
    inputAudio: a.inputAudio + b.inputAudio,
    inputImage: a.inputImage + b.inputImage,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
    outputAudio: a.outputAudio + b.outputAudio,
    outputImage: a.outputImage + b.outputImage,
    webSearches: a.webSearches + b.webSearches,
  }
}
