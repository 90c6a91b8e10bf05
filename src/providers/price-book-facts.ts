import type { ModelPrice } from './model-price.ts'
import { capabilitiesOf } from './price-book-capabilities.ts'
import { type PriceEntry, priceOf } from './price-book-rates.ts'
import type { Capabilities } from './wire.ts'

export interface ModelFacts {
  /** The price-map key the facts were found under; `custom` when a deployment's own configuration is all there is. */
  readonly key: string
  /** Undefined: the price is not known. A model listed at 0 has a price, and it is free. */
  readonly price: ModelPrice | undefined
  readonly capabilities: Capabilities
  /** `litellm_provider` of the entry. */
  readonly vendor: string | undefined
  readonly mode: string | undefined
  /** The entry in the price map's own words; `factsFromConfig` lays a deployment's fields over it. */
  readonly entry: PriceEntry
}

export function factsOf(key: string, entry: PriceEntry): ModelFacts {
  const vendor = entry['litellm_provider']
  const mode = entry['mode']
  return {
    key,
    price: priceOf(entry),
    capabilities: capabilitiesOf(entry),
    vendor: typeof vendor === 'string' ? vendor : undefined,
    mode: typeof mode === 'string' ? mode : undefined,
    entry,
  }
}
