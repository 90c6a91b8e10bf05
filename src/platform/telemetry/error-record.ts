import { scrubText } from './scrub.ts'

export interface ErrorRecord {
  readonly type: string
  readonly message: string
  /** Catalogue code, or the system's (`ECONNRESET`). */
  readonly code?: string
  /** Failure kind of an upstream failure. */
  readonly kind?: string
  readonly status?: number
  readonly stack?: string
  readonly cause?: ErrorRecord
}

const maxMessage = 2000
const maxStack = 8000
const maxCauses = 5

/** Text for a log: scrubbed first, so that cutting cannot leave half a key that no longer looks like one. */
function bounded(text: string, limit: number): string {
  const scrubbed = scrubText(text.length > 4 * limit ? text.slice(0, 4 * limit) : text)
  return scrubbed.length > limit ? `${scrubbed.slice(0, limit)}…` : scrubbed
}

/**
 * What a log says of anything that was thrown: fields by name, never the object's own enumerable ones, which in foreign
 * errors hold requests with headers and bodies. Bounded in length and in depth of causes.
 */
export function errorRecord(thrown: unknown, withStack: boolean, depth = 0): ErrorRecord {
  if (!(thrown instanceof Error)) {
    return { type: typeof thrown, message: typeof thrown === 'string' ? bounded(thrown, maxMessage) : 'not an Error' }
  }
  const { code, kind, status } = thrown as { code?: unknown; kind?: unknown; status?: unknown }
  const first = thrown instanceof AggregateError ? thrown.errors[0] : undefined
  const cause = thrown.cause ?? first
  return {
    type: thrown.name,
    message: bounded(thrown.message, maxMessage),
    ...(typeof code === 'string' && { code: bounded(code, 100) }),
    ...(typeof kind === 'string' && { kind: bounded(kind, 100) }),
    ...(typeof status === 'number' && { status }),
    ...(withStack && thrown.stack !== undefined && { stack: bounded(thrown.stack, maxStack) }),
    ...(cause !== undefined && depth < maxCauses && { cause: errorRecord(cause, withStack, depth + 1) }),
  }
}
