/** One secret as the operator sees it: names and times, never a value. */
export interface SecretStatus {
  readonly reference: string
  readonly system: string
  /** ISO 8601. */
  readonly read_at: string | null
  readonly changed_at: string | null
  readonly expires_at: string | null
  readonly problem: string | null
}

/** The secrets of several processes as one list: where they differ, the one that is behind or has a problem is told of. */
export function mergeSecrets(lists: readonly (readonly SecretStatus[])[]): SecretStatus[] {
  const merged = new Map<string, SecretStatus>()
  for (const status of lists.flat()) {
    const known = merged.get(status.reference)
    const behind = known !== undefined && (status.read_at ?? '') < (known.read_at ?? '')
    if (known === undefined || (known.problem === null && (status.problem !== null || behind))) {
      merged.set(status.reference, status)
    }
  }
  return [...merged.values()]
}
