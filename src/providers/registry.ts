import { anthropicWire } from './anthropic/wire.ts'
import { azureWire } from './azure-openai/wire.ts'
import { geminiWire } from './gemini/wire.ts'
import { openaiWire } from './openai/wire.ts'
import type { Wire, WireId } from './wire.ts'

const wires: Readonly<Record<WireId, Wire>> = {
  openai: openaiWire,
  'azure-openai': azureWire,
  anthropic: anthropicWire,
  gemini: geminiWire,
}

export function wireOf(id: WireId): Wire {
  return wires[id]
}
