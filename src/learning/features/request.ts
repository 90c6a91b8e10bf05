import type { Prompt } from '../prompt.ts'

/** What a request says beside its text, in this order. Columns that never vary in training are left out of the vector. */
export const requestNames = [
  'system prompt',
  'turns',
  'history',
  'tools',
  'tool schema depth',
  'in a tool loop',
  'last tool failed',
  'images',
  'audio',
  'JSON schema',
  'stream',
  'maximum output',
  'temperature',
] as const

/** NaN where the request does not say: read as the average request. */
export function writeRequest({ system, shape }: Prompt, into: Float32Array, offset: number): void {
  let at = offset
  into[at++] = Math.log1p(system.length)
  into[at++] = Math.log1p(shape.turns)
  into[at++] = Math.log1p(shape.historyCharacters)
  into[at++] = Math.log1p(shape.tools)
  into[at++] = shape.toolSchemaDepth
  into[at++] = shape.inToolLoop ? 1 : 0
  into[at++] = shape.lastToolFailed ? 1 : 0
  into[at++] = Math.log1p(shape.images)
  into[at++] = Math.log1p(shape.audio)
  into[at++] = shape.jsonSchema ? 1 : 0
  into[at++] = shape.stream ? 1 : 0
  into[at++] = shape.maxOutputTokens === undefined ? Number.NaN : Math.log1p(shape.maxOutputTokens)
  into[at++] = shape.temperature ?? Number.NaN
}
