import {
  linkSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Who holds a lock: enough to know later whether it still lives. */
interface Holder {
  readonly instance: string
  readonly pid: number
  /** Start of the process in clock ticks since boot; ids of processes are used again. Empty where /proc is not. */
  readonly started: string
  /** Which kernel's, and which container's, process ids these are. */
  readonly namespace: string
}

/** A holder that cannot be asked, in another container or on another machine, counts as dead after this many ms. */
const silence = 60_000

/**
 * An exclusive lock in a directory that several processes, containers or machines may share. It is a matter of
 * efficiency alone: two that held it at once would do the same work twice, and the store would take it once.
 */
export class DirectoryLock {
  readonly #path: string
  readonly #aside: string
  readonly #text: string
  readonly #self: Holder
  #held = false

  constructor(directory: string, name: string, instance: string) {
    this.#path = join(directory, name)
    this.#aside = `${this.#path}.${instance}`
    this.#self = { instance, pid: process.pid, started: startOf(process.pid), namespace: namespaceOf() }
    this.#text = `${JSON.stringify(this.#self)}\n`
  }

  get held(): boolean {
    return this.#held
  }

  /** Takes the lock, keeps it, or finds it taken. Called again and again; also the sign of life for others. */
  hold(): boolean {
    const present = this.#read()
    if (present === this.#text) {
      this.#beat()
      this.#held = true
    } else if (present === undefined) {
      this.#held = this.#create()
    } else {
      this.#held = !this.#alive(present) && this.#remove(present) && this.#create()
    }
    return this.#held
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    this.#remove(this.#text)
  }

  #read(): string | undefined {
    try {
      return readFileSync(this.#path, 'utf8')
    } catch {
      return undefined
    }
  }

  #beat(): void {
    const now = new Date()
    try {
      utimesSync(this.#path, now, now)
    } catch {
      // Taken away this moment; the next call sees it.
    }
  }

  /** A link either makes the name with its whole content or fails because it exists. */
  #create(): boolean {
    try {
      writeFileSync(this.#aside, this.#text, { mode: 0o600 })
      linkSync(this.#aside, this.#path)
      return true
    } catch {
      return false
    } finally {
      forget(this.#aside)
    }
  }

  /** Removes the lock if it is still the one that was looked at: what the rename brought may be a newer one. */
  #remove(expected: string): boolean {
    try {
      renameSync(this.#path, this.#aside)
    } catch {
      return false
    }
    let same = false
    try {
      same = readFileSync(this.#aside, 'utf8') === expected
      if (!same) linkSync(this.#aside, this.#path)
    } catch {
      // Somebody took it in between; fine.
    } finally {
      forget(this.#aside)
    }
    return same
  }

  #alive(text: string): boolean {
    const holder = parseHolder(text)
    if (holder !== undefined && holder.namespace === this.#self.namespace) {
      return holder.started === '' ? answers(holder.pid) : startOf(holder.pid) === holder.started
    }
    try {
      return Math.abs(Date.now() - statSync(this.#path).mtimeMs) < silence
    } catch {
      return false
    }
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { instance, pid, started, namespace } = JSON.parse(text) as Record<string, unknown>
    if (typeof instance !== 'string' || typeof pid !== 'number') return undefined
    if (typeof started !== 'string' || typeof namespace !== 'string') return undefined
    return { instance, pid, started, namespace }
  } catch {
    return undefined
  }
}

/**
 * Field 22 of /proc/<pid>/stat (proc(5)), counted after the command name, which may hold anything. Empty for a process
 * that has ended, whether or not its parent has noticed.
 */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '')
  } catch {
    return ''
  }
}

function namespaceOf(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function forget(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Not there.
  }
}
