/** What is on disk and not yet in the store. */
export interface Backlog {
  /** From the bytes and the mean size of a record. */
  readonly records: number
  readonly bytes: number
  /** Epoch ms at which the oldest of them ended; undefined without a backlog, or while another process ships. */
  readonly oldestAt: number | undefined
}

/** How far shipping has come. */
export interface Progress {
  /** This process is the one that ships. */
  readonly held: boolean
  /** Of the bytes in the directory, those that the store has. */
  readonly settledBytes: number
  /** Epoch ms at which the first record of the last batch ended; undefined: everything was shipped at the last look. */
  readonly oldestAt: number | undefined
  /** Of a record; a guess until the first batch. */
  readonly meanBytes: number
  /** Records this process has brought into the store; lines that were damaged; records the store refused. */
  readonly shipped: number
  readonly damaged: number
  readonly rejected: number
}

export const noProgress: Progress = {
  held: false,
  settledBytes: 0,
  oldestAt: undefined,
  meanBytes: 500,
  shipped: 0,
  damaged: 0,
  rejected: 0,
}

/** Empty while another process ships. */
export function backlogOf({ held, settledBytes, oldestAt, meanBytes }: Progress, directoryBytes: number): Backlog {
  const bytes = held ? Math.max(0, directoryBytes - settledBytes) : 0
  return { records: Math.ceil(bytes / meanBytes), bytes, oldestAt: bytes > 0 ? oldestAt : undefined }
}
