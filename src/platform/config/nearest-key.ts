/**
 * Edit distance in which a swap of neighbours counts once (optimal string alignment), cut off above `limit`.
 * Returns `limit + 1` for anything farther.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let best = i
    for (let j = 1; j <= b.length; j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1)
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1)
      row.push(cost)
      if (cost < best) best = cost
    }
    if (best > limit) return limit + 1
    beforeLast = last
    last = row
  }
  return Math.min(last[b.length] ?? 0, limit + 1)
}

/** The key that was probably meant: nearest within `limit` edits, the earliest of equals; case and dashes are forgiven. */
export function nearestKey(wanted: string, keys: Iterable<string>, limit = 2): string | undefined {
  // A key longer than any of ours is no misspelling; comparing it would only cost time.
  if (wanted.length > 100) return undefined
  const normal = normalize(wanted)
  let nearest: string | undefined
  let distance = limit + 1
  for (const key of keys) {
    const candidate = editDistance(normal, normalize(key), distance - 1)
    if (candidate < distance) {
      nearest = key
      distance = candidate
    }
  }
  return nearest
}

/** How far a misspelling of this key may be: short words collide, long ones hold more typos. */
export function reach(key: string): number {
  return key.length <= 5 ? 1 : key.length <= 12 ? 2 : 3
}

function normalize(key: string): string {
  return key.replaceAll('-', '_').toLowerCase()
}
