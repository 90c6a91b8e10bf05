/**
 * Values on their way to a database: the same ones are accepted, and the same ones refused, by both. The drivers differ
 * (SQLite would store NaN as NULL, PostgreSQL would turn an object into JSON and refuse U+0000), so neither is asked.
 *
 * U+0000 becomes U+FFFD: PostgreSQL's text cannot hold it, and one such character in a caller's metadata must not stop
 * the whole batch it travels in.
 * @throws TypeError for what no column holds; a defect of the caller, never an outage
 */
export function checkedParameters(parameters: readonly unknown[]): readonly (string | number | null)[] {
  let copy: unknown[] | undefined
  for (let index = 0; index < parameters.length; index++) {
    const value = parameters[index]
    if (typeof value === 'string') {
      if (!value.includes('\u0000')) continue
      copy ??= [...parameters]
      copy[index] = value.replaceAll('\u0000', '\ufffd')
    } else if (typeof value === 'number') {
      if (!isStorable(value)) throw unstorable(`the number ${value}`, index)
    } else if (value === undefined) {
      copy ??= [...parameters]
      copy[index] = null
    } else if (value !== null) {
      const hint =
        typeof value === 'boolean' ? ' (flags are 0 or 1)' : typeof value === 'object' ? ' (JSON is text)' : ''
      throw unstorable(`a ${typeof value}${hint}`, index)
    }
  }
  return (copy ?? parameters) as readonly (string | number | null)[]
}

/** Finite, and exact: an integer beyond 2^53 has already lost digits. */
function isStorable(value: number): boolean {
  return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER
}

function unstorable(what: string, index: number): TypeError {
  return new TypeError(`${what} cannot be stored; parameter ${index + 1} of the statement`)
}
