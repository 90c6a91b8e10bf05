import type { KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { TrainedRouter } from '../../../learning/predictor.ts'
import { type ConfigWatch, watchFiles } from '../../../platform/config/watch.ts'
import type { ArtifactStatus } from './artifact-status.ts'

/** Artifact bytes → a router. @throws Error that says what is wrong with them. */
export type ReadArtifact = (bytes: Buffer, options: { readonly publicKeys: readonly KeyObject[] }) => TrainedRouter

/** Larger than any artifact that could be served (5 MB): what is, is not read. */
const maxBytes = 64 * 1024 * 1024

export interface ArtifactEvents {
  onLoaded(path: string, artifact: TrainedRouter, milliseconds: number): void
  onRefused(path: string, problem: string): void
}

/** One file, and the last good artifact that was in it. */
class Shelf {
  readonly path: string
  current: TrainedRouter | undefined
  problem: string | undefined
  loads = 0
  /** Of the file, and of the keys, when it was last read. */
  seen = ''
  #watch: ConfigWatch | undefined
  #interval: number | undefined

  constructor(path: string) {
    this.path = path
  }

  /** @param interval milliseconds between looks; undefined: no more */
  watch(interval: number | undefined, look: () => void): void {
    if (interval === this.#interval) return
    this.#interval = interval
    this.#watch?.close()
    // Not only when the content has changed since the look before: what decides is what was last read here.
    this.#watch = interval === undefined ? undefined : watchFiles([this.path], look, { pollMs: interval })
  }
}

/** Keys that artifacts must be signed with, one of them; none: they need not be signed. */
export class TrustedKeys {
  readonly keys: readonly KeyObject[]
  readonly id: string

  constructor(keys: readonly KeyObject[]) {
    this.keys = keys
    this.id = keys.map(key => key.export({ type: 'spki', format: 'pem' })).join('')
  }
}

/** What a configuration wants of the files it names. */
export interface Following {
  readonly trusted: TrustedKeys
  /** Path → how it is looked at. Interval: milliseconds. */
  readonly files: ReadonlyMap<string, { readonly hotReload: boolean; readonly interval: number }>
}

/**
 * The artifacts on disk that configurations name. Outlives snapshots: what was loaded once stays in use until something
 * better is there. A file that is missing, corrupt or not signed as it should be never takes the place of a good one.
 */
export class ArtifactLibrary {
  readonly #read: ReadArtifact
  readonly #events: ArtifactEvents
  readonly #shelves = new Map<string, Shelf>()

  constructor(read: ReadArtifact, events: ArtifactEvents) {
    this.#read = read
    this.#events = events
  }

  /**
   * What is there now, or what was there when it was last good by the same keys. One read, and none where nothing has
   * changed since the last. Undefined: nothing usable; `problemOf` says why.
   */
  open(path: string, trusted: TrustedKeys): TrainedRouter | undefined {
    let shelf = this.#shelves.get(path)
    if (shelf === undefined) {
      shelf = new Shelf(path)
      this.#shelves.set(path, shelf)
    }
    return this.#load(shelf, trusted) ? shelf.current : undefined
  }

  current(path: string): TrainedRouter | undefined {
    return this.#shelves.get(path)?.current
  }

  problemOf(path: string): string | undefined {
    return this.#shelves.get(path)?.problem
  }

  /** A configuration is in force: its files are looked at from now on, others are forgotten. */
  follow({ files, trusted }: Following): void {
    for (const [path, shelf] of this.#shelves) {
      const how = files.get(path)
      shelf.watch(undefined, () => undefined)
      if (how === undefined) this.#shelves.delete(path)
      else if (how.hotReload) shelf.watch(how.interval, () => this.#load(shelf, trusted))
    }
  }

  status(): ArtifactStatus[] {
    return [...this.#shelves.values()].map(({ path, current, problem, loads }) => ({
      path,
      artifact: current?.id.slice(0, 12) ?? null,
      name: current?.name ?? null,
      created: current === undefined ? null : new Date(current.createdAt).toISOString(),
      models: current?.models.map(({ id }) => id) ?? [],
      methods: current?.methods ?? [],
      signed: current?.signed ?? false,
      loads,
      problem: problem ?? null,
    }))
  }

  close(): void {
    for (const shelf of this.#shelves.values()) shelf.watch(undefined, () => undefined)
  }

  /** @returns whether what is on the shelf now is good by these keys */
  #load(shelf: Shelf, trusted: TrustedKeys): boolean {
    const { keys, id } = trusted
    const started = performance.now()
    const seen = `${stamp(shelf.path)} ${id}`
    if (shelf.current !== undefined && shelf.problem === undefined && seen === shelf.seen) return true
    const before = shelf.seen
    try {
      const bytes = readFileSync(shelf.path)
      if (bytes.length > maxBytes) throw new Error('it is larger than 64 MB, which no artifact is')
      const artifact = this.#read(bytes, { publicKeys: keys })
      shelf.problem = undefined
      shelf.seen = seen
      if (shelf.current?.id === artifact.id) return true
      shelf.current = artifact
      shelf.loads++
      this.#events.onLoaded(shelf.path, artifact, performance.now() - started)
      return true
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      if (shelf.problem !== problem) {
        shelf.problem = problem
        this.#events.onRefused(shelf.path, problem)
      }
      // What was good by other keys, or by none, is not good by these.
      return shelf.current !== undefined && before.endsWith(` ${id}`)
    }
  }
}

/** Changes when the file does. A file that is not there has a stamp as well. */
function stamp(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? 'absent' : `${found.mtimeMs}-${found.size}-${found.ino}`
}
