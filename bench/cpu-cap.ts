import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A control group that holds its processes to a share of one core. */
export interface CpuCap {
  readonly folder: string
  remove(): void
}

const period = 100_000

/**
 * Caps processes together at `share` of one core, by control groups of either version.
 * @returns undefined where the machine does not allow it (no root, no cgroup file system).
 */
export function capCpu(name: string, pids: readonly number[], share: number): CpuCap | undefined {
  const quota = String(Math.round(period * share))
  const first = existsSync('/sys/fs/cgroup/cpu')
  const folder = join(first ? '/sys/fs/cgroup/cpu' : '/sys/fs/cgroup', name)
  try {
    mkdirSync(folder)
    if (first) {
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(period))
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), quota)
    } else {
      writeFileSync(join(folder, 'cpu.max'), `${quota} ${period}`)
    }
    for (const pid of pids) writeFileSync(join(folder, 'cgroup.procs'), String(pid))
  } catch {
    return undefined
  }
  return {
    folder,
    remove() {
      try {
        rmdirSync(folder)
      } catch {
        // Still holds a process that is ending; an empty group costs nothing.
      }
    },
  }
}
