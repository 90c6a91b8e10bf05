import { createOpenaiWire } from '../openai/create-wire.ts'
import type { Wire } from '../wire.ts'
import { azurePlan } from './plan.ts'

/** Azure OpenAI: OpenAI's bodies at deployment paths with a dated API version, or at `/openai/v1`. */
export const azureWire: Wire = createOpenaiWire('azure-openai', azurePlan)
