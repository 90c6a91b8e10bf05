/** One value as a backend has it now. */
export interface SecretReading {
  readonly text: string
  /** Wall-clock milliseconds after which it is of no use; it is read again before. */
  readonly expiresAt?: number | undefined
}

/**
 * Where secrets are kept. A backend authenticates itself, keeps its own token fresh, and remembers no value: how often
 * it is asked is decided by the one who asks.
 */
export interface SecretBackend {
  /** LiteLLM's `key_management_system`; shown in messages. */
  readonly system: string
  /** Milliseconds between polls, where the backend's own settings say; 0: the value cannot change by itself. */
  readonly pollInterval?: number | undefined
  /**
   * The value of one name now; undefined when the backend answers that it has none.
   * @throws SecretUnavailable when it cannot be told.
   */
  read(name: string): Promise<SecretReading | undefined>
  /** Undefined where secrets cannot be written. */
  write?(name: string, value: string, note?: SecretNote): Promise<void>
  remove?(name: string): Promise<void>
  /** Ends timers. */
  close?(): void
}

/** What is kept beside a value, where the backend has a place for it. */
export interface SecretNote {
  readonly description?: string | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
}

/** Why a secret could not be read or written. The message names the backend and the secret's name, never a value. */
export class SecretUnavailable extends Error {
  override readonly name = 'SecretUnavailable'
}

/** A status in words, for messages; a vault's own words are left out, since they may repeat what was sent. */
export function refusedWith(status: number): string {
  if (status === 400) return 'it refused the request (400)'
  if (status === 401 || status === 403)
    return `it refused this gateway's identity (${status}); check its role or policy`
  if (status === 429) return 'it is rate-limited (429)'
  if (status >= 500) return `it is not available (${status})`
  return `it answered with status ${status}`
}
