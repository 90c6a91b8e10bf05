import { appendFile, mkdir, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Where events of decided calls go. Bounded: it takes what it can and counts what it cannot. */
export interface DecisionSink {
  /** Lines of JSON, complete. */
  write(lines: string): Promise<void>
}

export interface DecisionLogOptions {
  readonly sink: DecisionSink
  /** Events that did not fit, or could not be written. */
  readonly onDropped: (count: number, error?: unknown) => void
  /** Events that wait at most; default 10,000. */
  readonly capacity?: number
  /** Milliseconds between batches; default 200. */
  readonly interval?: number
}

/** One event per decided call, written in batches off the road of calls. */
export class DecisionLog {
  readonly #options: DecisionLogOptions
  readonly #capacity: number
  #waiting: string[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: DecisionLogOptions) {
    this.#options = options
    this.#capacity = options.capacity ?? 10_000
  }

  record(event: object): void {
    if (this.#waiting.length >= this.#capacity) {
      this.#options.onDropped(1)
      return
    }
    this.#waiting.push(`${JSON.stringify(event)}\n`)
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => void this.flush(), this.#options.interval ?? 200)
    this.#timer.unref()
  }

  /** Everything recorded so far is written, or counted as lost, when this resolves. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length > 0) {
      this.#writing = this.#writing.then(async () => {
        try {
          await this.#options.sink.write(batch.join(''))
        } catch (error) {
          this.#options.onDropped(batch.length, error)
        }
      })
    }
    return this.#writing
  }
}

/** Appends to a file; at its largest size it is set aside as `<file>.1`, in place of the one before. */
export function fileSink(path: string, maxBytes: number): DecisionSink {
  let size: number | undefined
  return {
    async write(lines) {
      if (size === undefined) {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 })
        size = await stat(path).then(
          found => found.size,
          () => 0,
        )
      }
      if (size > 0 && size + lines.length > maxBytes) {
        await rename(path, `${path}.1`)
        size = 0
      }
      await appendFile(path, lines, { mode: 0o600 })
      size += Buffer.byteLength(lines)
    },
  }
}
