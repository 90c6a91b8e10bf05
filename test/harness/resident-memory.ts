import { readdirSync, readFileSync } from 'node:fs'

/** Resident bytes of a process and its descendants, from `/proc`; 0 when it is gone. */
export function residentBytes(pid: number): number {
  let total = ownBytes(pid)
  for (const child of childrenOf(pid)) total += residentBytes(child)
  return total
}

function ownBytes(pid: number): number {
  try {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return Number(match?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

export function childrenOf(pid: number): number[] {
  const children: number[] = []
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      children.push(...text.split(' ').filter(Boolean).map(Number))
    }
  } catch {
    return children
  }
  return children
}
