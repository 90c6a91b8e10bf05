/** A trained router on disk, as the operator sees it. */
export interface ArtifactStatus {
  readonly path: string
  /** First 12 of its hash; null: none could be loaded yet. */
  readonly artifact: string | null
  readonly name: string | null
  /** ISO 8601. */
  readonly created: string | null
  readonly models: readonly string[]
  readonly methods: readonly string[]
  readonly signed: boolean
  readonly loads: number
  /** Why what is on disk now is not in use. */
  readonly problem: string | null
}

/** Of several processes: where they differ, the one that has a problem, or is behind, is told of. */
export function mergeArtifacts(lists: readonly (readonly ArtifactStatus[])[]): ArtifactStatus[] {
  const merged = new Map<string, ArtifactStatus>()
  for (const status of lists.flat()) {
    const known = merged.get(status.path)
    const behind = known !== undefined && status.loads < known.loads
    if (known === undefined || (known.problem === null && (status.problem !== null || behind))) {
      merged.set(status.path, status)
    }
  }
  return [...merged.values()]
}
