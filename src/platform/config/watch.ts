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
  /** Settles after the first look; a change after that is never missed. */
  readonly ready: Promise<void>
}

/**
 * Calls `onChange` when the content of any of the files differs from what was last seen. Events only say «look»; the
 * content hash decides.
 */
export function watchConfig(files: readonly string[], onChange: () => void, options: WatchOptions = {}): ConfigWatch {
  let seen: ReadonlyMap<string, string> | undefined
  const look = async (looked: readonly string[], outdated: () => boolean) => {
    const now = new Map<string, string>()
    for (const file of looked) now.set(file, await fingerprint(file))
    if (outdated()) return
    const before = seen
    seen = now
    if (before !== undefined && looked.some(file => before.get(file) !== now.get(file))) onChange()
  }
  return watchFiles(files, look, options)
}

/**
 * Calls `look` at first, whenever something happened beside one of the files, and every so often without a reason; never
 * twice at once, and not at all once closed. Directories are watched, not files: an editor that saves by rename leaves
 * the old inode behind, and Kubernetes swaps a symlink (`..data`) beside the file. `outdated`: what a look that took its
 * time finds is of no use any more.
 */
export function watchFiles(
  files: readonly string[],
  look: (files: readonly string[], outdated: () => boolean) => void | Promise<void>,
  options: WatchOptions = {},
): ConfigWatch {
  const { debounceMs = 100, pollMs = 5000, onError } = options
  let watched = files
  let watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let closed = false

  const lookNow = () => {
    const looked = watched
    if (!closed) return look(looked, () => closed || looked !== watched)
  }
  const lookNext = () => {
    looking = looking.then(lookNow).catch(error => onError?.(error))
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
