import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { TrainedRouter } from '../predictor.ts'
import { maxArtifactBytes } from './artifact-store.ts'

/** Reads the bytes of an artifact, checks hashes, signature and golden vectors. @throws Error that says what is wrong */
export type ReadArtifact = (bytes: Uint8Array) => TrainedRouter

/** @throws GatewayError 400 for what is too large, damaged, unsigned where a key is configured, or no artifact at all */
export function readUploaded(bytes: Uint8Array, read: ReadArtifact): TrainedRouter {
  if (bytes.length === 0) throw refused('it is empty')
  if (bytes.length > maxArtifactBytes) {
    throw refused(`it has ${bytes.length} bytes; ${maxArtifactBytes} is the most`)
  }
  try {
    return read(bytes)
  } catch (error) {
    throw refused(reasonOf(error), error)
  }
}

export interface StaleCheck {
  /** In force now. */
  readonly active: Pick<TrainedRouter, 'createdAt'> | undefined
  readonly now: number
  /** Milliseconds since training; undefined: any age. */
  readonly maxAge: number | undefined
  /** Models that this gateway can call; undefined: not known here. */
  readonly served: ReadonlySet<string> | undefined
}

/**
 * Why an artifact must not go into force, although it is whole: undefined where it may. An older one comes back by
 * `rollback`, never as news.
 */
export function staleness(
  trained: Pick<TrainedRouter, 'createdAt' | 'models'>,
  { active, now, maxAge, served }: StaleCheck,
): string | undefined {
  if (maxAge !== undefined && now - trained.createdAt > maxAge) {
    return `it was trained ${Math.floor((now - trained.createdAt) / 86_400_000)} days ago, and ${Math.floor(maxAge / 86_400_000)} are allowed`
  }
  if (active !== undefined && trained.createdAt < active.createdAt) {
    return 'it was trained before the one in force; use rollback to go back'
  }
  if (served !== undefined && !trained.models.some(({ id }) => served.has(id))) {
    return 'this gateway serves none of its models'
  }
  return undefined
}

/** The reader's own words, without the prefix that ours has. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : 'it cannot be read'
  return message.replace(/^artifact refused: /, '').replace(/\.$/, '')
}

export const refused = (why: string, cause?: unknown): GatewayError =>
  new GatewayError('invalid_request', `The artifact is refused: ${why}.`, { param: 'artifact', cause })
