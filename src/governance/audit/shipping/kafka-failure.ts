import { SinkRefused } from './sink.ts'

interface ClientError {
  readonly message?: unknown
  /** The Kafka protocol's name of an error, where a broker sent one. */
  readonly apiId?: unknown
  readonly errors?: unknown
  readonly cause?: unknown
}

const maxDepth = 8
const maxReasons = 3

/** The client nests its errors: of tries, of brokers, of partitions. The innermost ones say what happened. */
function* innermost(error: unknown, depth = 0): Generator<ClientError> {
  if (typeof error !== 'object' || error === null || depth > maxDepth) return
  const { errors, cause } = error as ClientError
  const inner = [...(Array.isArray(errors) ? errors : []), cause].filter(one => typeof one === 'object' && one !== null)
  if (inner.length === 0) yield error as ClientError
  for (const one of inner) yield* innermost(one, depth + 1)
}

/** Brokers that do not let this client write idempotently (Kafka protocol, error codes 31 and 53). */
export function refusesIdempotence(error: unknown): boolean {
  const names = [...innermost(error)].map(({ apiId }) => apiId)
  return names.includes('CLUSTER_AUTHORIZATION_FAILED') || names.includes('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
}

/** One sentence of what went wrong, without repeating it per try. */
export function kafkaRefusal(error: unknown): SinkRefused {
  const reasons = new Set<string>()
  for (const { message, apiId } of innermost(error)) {
    const text = typeof message === 'string' ? message.slice(0, 200) : 'unknown error'
    reasons.add(typeof apiId === 'string' ? `${text} (${apiId})` : text)
    if (reasons.size >= maxReasons) break
  }
  return new SinkRefused(`Kafka: ${[...reasons].join('; ')}`, { cause: error })
}
