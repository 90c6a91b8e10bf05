/**
 * `additional_drop_params` entries: a top-level field (`user`) or a path into one (`metadata.user`,
 * `tools[*].function.strict`, `messages[0].name`).
 */
export interface DropPath {
  /** The top-level field the path starts in. */
  readonly field: string
  /** Steps below it: a member name, an index, or `*` for every element. Empty: the whole field goes. */
  readonly steps: readonly (string | number)[]
}

export function parseDropPath(path: string): DropPath {
  const parts = path.match(/[^.[\]]+/g) ?? []
  const steps = parts.slice(1).map(part => (/^\d+$/.test(part) ? Number(part) : part))
  return { field: parts[0] ?? path, steps }
}

/** The value without what the steps point at; the same object when nothing was there. Never changes its input. */
export function dropAt(value: unknown, steps: readonly (string | number)[], from = 0): unknown {
  const step = steps[from]
  if (step === undefined || typeof value !== 'object' || value === null) return value
  const last = from === steps.length - 1
  if (Array.isArray(value)) {
    if (step === '*') {
      if (last) return []
      const next = value.map(item => dropAt(item, steps, from + 1))
      return next.some((item, i) => item !== value[i]) ? next : value
    }
    if (typeof step !== 'number' || step >= value.length) return value
    if (last) return value.filter((_, i) => i !== step)
    const item = dropAt(value[step], steps, from + 1)
    return item === value[step] ? value : value.with(step, item)
  }
  const object = value as Record<string, unknown>
  const key = String(step)
  if (!Object.hasOwn(object, key)) return value
  if (last) {
    const { [key]: _dropped, ...rest } = object
    return rest
  }
  const member = dropAt(object[key], steps, from + 1)
  return member === object[key] ? value : { ...object, [key]: member }
}
