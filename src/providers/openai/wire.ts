import type { Wire } from '../wire.ts'
import { createOpenaiWire } from './create-wire.ts'
import { openaiPlan } from './plan.ts'

/** OpenAI's API and every vendor of `data/providers.json` that speaks it. */
export const openaiWire: Wire = createOpenaiWire('openai', openaiPlan)
