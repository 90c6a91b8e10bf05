import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface WatchOptions {
  /** Quiet time after the last event before the files are looked at; editors write in several steps. Default 100. */
  readonly debounceMs?: number
  /** How often content is compared without any event: network file systems send none. Default 5000. */
  readonly pollMs?: number
  /** Told of failing watchers (the poll goes on). */
  readonly onError?: (error: unknown) => void
}

export interface ConfigWatch {
  /**
   * Watches other files from now on (a reload found new includes). Files that were not watched before are reported
   * once: they may have changed since the reload read them.
   */
  replace(files: readonly string[]): void
  close(): void
  /** Settles when the files' first content is known; a change after that is never missed. */
  readonly ready: Promise<void>
}

/**
 * Calls `onChange` when the content of any of the files differs from what was last seen. Directories are watched, not
 * files: an editor that saves by rename leaves the old inode behind, and Kubernetes swaps a symlink (`..data`) beside
 * the file. Events only say «look»; the content hash decides.
 */
export function watchConfig(files: readonly string[], onChange: () => void, options: WatchOptions = {}): ConfigWatch {
  const { debounceMs = 100, pollMs = 5000, onError } = options
  let watched = files
  let seen: ReadonlyMap<string, string> | undefined
  let watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let closed = false

  const look = async () => {
    const looked = watched
    const now = new Map<string, string>()
    for (const file of looked) now.set(file, await fingerprint(file))
    if (closed || looked !== watched) return
    const before = seen
    seen = now
    if (before !== undefined && looked.some(file => before.get(file) !== now.get(file))) onChange()
  }
  // One after another: two at once could both see the same change.
  const lookNext = () => {
    looking = looking.then(look).catch(error => onError?.(error))
    return looking
  }
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(lookNext, debounceMs)
  }
  const open = () => {
    for (const directory of new Set(watched.map(file => dirname(file)))) {
      try {
        const watcher = watch(directory, { persistent: false }, soon)
        watcher.on('error', error => onError?.(error))
        watchers.push(watcher)
      } catch (error) {
        onError?.(error)
      }
    }
  }
  const shut = () => {
    for (const watcher of watchers) watcher.close()
    watchers = []
  }

  open()
  const poll = setInterval(lookNext, pollMs)
  poll.unref()
  const ready = lookNext()
  return {
    ready,
    replace(next) {
      if (closed || (next.length === watched.length && next.every((file, index) => file === watched[index]))) return
      shut()
      watched = next
      open()
      lookNext()
    },
    close() {
      closed = true
      clearTimeout(timer)
      clearInterval(poll)
      shut()
    },
  }
}

async function fingerprint(file: string): Promise<string> {
  // An unreadable file is a state like any other: it differs from the readable one.
  const content = await readFile(file).catch(() => undefined)
  return content === undefined ? 'absent' : createHash('sha256').update(content).digest('hex')
}
