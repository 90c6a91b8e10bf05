import { BadLine } from '../problems.ts'

/** A span of a trace, as OTLP and Jaeger both have it. */
export interface Span {
  readonly name: string
  /** Epoch ms. */
  readonly start: number
  /** Milliseconds. */
  readonly duration: number
  readonly failed: boolean
  readonly attributes: ReadonlyMap<string, unknown>
  readonly events: readonly SpanEvent[]
}

export interface SpanEvent {
  readonly name: string
  readonly attributes: ReadonlyMap<string, unknown>
}

/** First of these attributes that is text and not empty. Names changed with the generations of the conventions. */
export function textOf(attributes: ReadonlyMap<string, unknown>, ...names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = attributes.get(name)
    if (typeof value === 'string' && value !== '') return value
  }
  return undefined
}

/** First of these attributes that is a number of 0 or more (OTLP and Jaeger write 64-bit numbers as text); else NaN. */
export function numberOf(attributes: ReadonlyMap<string, unknown>, ...names: readonly string[]): number {
  for (const name of names) {
    const value = attributes.get(name)
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof number !== 'number') continue
    if (!Number.isFinite(number) || number < 0) throw new BadLine(name, `must be a number of 0 or more, not ${number}`)
    return number
  }
  return Number.NaN
}
