/** US dollars per token. */
export interface TokenPrices {
  readonly input: number
  readonly output: number
  /** Of input the vendor has in its prompt cache. */
  readonly cachedInput: number
}

/** Tokens of a call, as expected before it is made. */
export interface ExpectedTokens {
  readonly input: number
  /** Of `input`, in the cache of the model that answered before; 0 with any other. */
  readonly cached: number
  readonly output: number
}

/** US dollars a call will probably cost. */
export function expectedCost(prices: TokenPrices, tokens: ExpectedTokens): number {
  const cached = Math.min(tokens.cached, tokens.input)
  return (tokens.input - cached) * prices.input + cached * prices.cachedInput + tokens.output * prices.output
}
