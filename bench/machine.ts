import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'

/** What a reader needs to compare results; nothing that names the machine. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
  readonly platform: string
  readonly date: string
  /** Cores given to the system under test, and to generator and mock together. */
  readonly layout: string
}

export interface CoreLayout {
  /** One core for everything measured with one process. */
  readonly one: string
  /** For the row with two workers. */
  readonly two: string
  readonly load: string
  /** False when the two-worker row has to share a core with the load. */
  readonly twoIsAlone: boolean
}

export function coreLayout(): CoreLayout {
  const cores = availableParallelism()
  if (cores >= 4) return { one: '0', two: '0,1', load: '2,3', twoIsAlone: true }
  if (cores === 3) return { one: '0', two: '0,1', load: '2', twoIsAlone: true }
  return { one: '0', two: '0,1', load: cores > 1 ? '1' : '0', twoIsAlone: false }
}

export function describeMachine(layout: CoreLayout): Machine {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    date: new Date().toISOString().slice(0, 10),
    layout: `system under test on core ${layout.one}; load generator and mock upstream together on core ${layout.load}`,
  }
}

/** Processor time used so far by a process and its descendants, in seconds. Linux counts it in 10 ms ticks. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      ticks += Number(fields[11]) + Number(fields[12])
    } catch {
      // Gone: its time is no longer counted.
    }
  }
  return ticks / 100
}
