import type { Row } from '../dataset.ts'
import type { Prices } from './meta.ts'

/** Where only costs are known, an output token is taken to cost this many input tokens, as with most vendors. */
const usualRatio = 4

/**
 * Prices per token from what calls cost: least squares of cost on input and output tokens, neither below zero.
 * On RouterBench's recorded costs this finds the vendors' price lists within a few per cent.
 *
 * @param rows with `quality`, `cost` and so on in the order of models
 */
export function fitPrices(rows: readonly Row[], model: number): Prices | undefined {
  let ii = 0
  let io = 0
  let oo = 0
  let ic = 0
  let oc = 0
  let n = 0
  for (const row of rows) {
    const cost = row.cost[model] ?? Number.NaN
    const output = row.outputTokens[model] ?? Number.NaN
    if (Number.isNaN(cost) || Number.isNaN(output)) continue
    ii += row.inputTokens * row.inputTokens
    io += row.inputTokens * output
    oo += output * output
    ic += row.inputTokens * cost
    oc += output * cost
    n++
  }
  if (n < 2) return fitWithoutLengths(rows, model)
  const determinant = ii * oo - io * io
  const input = (ic * oo - oc * io) / determinant
  const output = (oc * ii - ic * io) / determinant
  if (determinant > 1e-9 * ii * oo && input >= 0 && output >= 0) return { inputPrice: input, outputPrice: output }
  // Lengths say too little to tell the two apart: one price for both.
  const together = (ic + oc) / (ii + 2 * io + oo)
  return Number.isFinite(together) ? { inputPrice: together, outputPrice: together } : undefined
}

/** The least that fits: cost = price × input tokens + a constant, the constant being the output. */
function fitWithoutLengths(rows: readonly Row[], model: number): Prices | undefined {
  let n = 0
  let tokens = 0
  let costs = 0
  let tt = 0
  let tc = 0
  for (const row of rows) {
    const cost = row.cost[model] ?? Number.NaN
    if (Number.isNaN(cost)) continue
    n++
    tokens += row.inputTokens
    costs += cost
    tt += row.inputTokens * row.inputTokens
    tc += row.inputTokens * cost
  }
  if (n === 0 || tokens === 0) return undefined
  const spread = tt - (tokens * tokens) / n
  const slope = spread > 0 ? (tc - (tokens * costs) / n) / spread : 0
  const most = costs / tokens
  const inputPrice = slope > 0 && slope <= most ? slope : most / 2
  return { inputPrice, outputPrice: usualRatio * inputPrice }
}

/** Fills in cost from prices and lengths, or output length from cost and prices, where one of the two is missing. */
export function completeRow(row: Row, prices: readonly (Prices | undefined)[]): void {
  prices.forEach((price, model) => {
    if (price === undefined) return
    const cost = row.cost[model] ?? Number.NaN
    const output = row.outputTokens[model] ?? Number.NaN
    const input = price.inputPrice * row.inputTokens
    if (Number.isNaN(cost) && !Number.isNaN(output)) row.cost[model] = input + price.outputPrice * output
    else if (Number.isNaN(output) && !Number.isNaN(cost) && price.outputPrice > 0)
      row.outputTokens[model] = Math.max(1, (cost - input) / price.outputPrice)
  })
}
