import type { z } from 'zod'
import { choicesOf, describeType, describeValue, elementOf, optionsOf, shapeOf, unwrap } from './describe-type.ts'
import { nearestKey } from './nearest-key.ts'
import { type Path, pathText } from './problem.ts'
import { advice } from './section.ts'
import { isYamlMap } from './source.ts'

export interface Finding {
  readonly path: Path
  readonly message: string
}

type Issue = z.core.$ZodIssue

/** Zod's issues in the words of a config author: what was expected, what stands there, what to write instead. */
export function findings(
  issues: readonly Issue[],
  schema: z.core.$ZodType,
  value: unknown,
  fromEnv: ReadonlyMap<string, string>,
): Finding[] {
  return issues.map(issue => {
    const { path, issue: exact } = narrow(issue, [])
    const at = lookup(value, path)
    const variable = fromEnv.get(pathText(path))
    return { path, message: explain(exact, schemaAt(schema, path), at, variable) }
  })
}

/** A failed union is told by the option that came closest: the one whose fault lies deeper than its root. */
function narrow(issue: Issue, prefix: Path): { path: Path; issue: Issue } {
  const path = [...prefix, ...(issue.path as Path)]
  if (issue.code === 'invalid_union') {
    const deeper = issue.errors.find(branch => branch.length > 0 && branch.every(inner => inner.path.length > 0))
    const first = deeper?.[0]
    if (first) return narrow(first, path)
  }
  return { path, issue }
}

function explain(
  issue: Issue,
  schema: z.core.$ZodType | undefined,
  value: unknown,
  variable: string | undefined,
): string {
  const origin = variable === undefined ? '' : ` (from os.environ/${variable})`
  const expected = schema ? describeType(schema) : 'another value'
  switch (issue.code) {
    case 'invalid_type':
    case 'invalid_union':
      if (value === undefined) return `required: ${expected}`
      return `expected ${expected}, got ${describeValue(value)}${origin}`
    case 'invalid_value': {
      if (value === undefined) return `required: ${expected}`
      const choices = schema ? choicesOf(unwrap(schema)) : undefined
      const known = schema && typeof value === 'string' ? advice.get(unwrap(schema))?.get(value) : undefined
      if (known !== undefined) return known
      const showable = typeof value === 'string' && variable === undefined && value.length <= 60
      const meant = showable && choices ? nearestKey(value, choices, 4) : undefined
      const got = showable ? JSON.stringify(value) : describeValue(value)
      return `expected ${expected}, got ${got}${origin}${meant === undefined ? '' : `; did you mean "${meant}"?`}`
    }
    case 'too_small':
      if (issue.origin === 'string') return `must not be empty${origin}`
      return `must be ${issue.inclusive === true ? 'at least' : 'greater than'} ${issue.minimum}${origin}`
    case 'too_big':
      return `must be ${issue.inclusive === true ? 'at most' : 'less than'} ${issue.maximum}${origin}`
    case 'unrecognized_keys':
      return `unknown keys: ${issue.keys.join(', ')}`
    case 'custom':
    case 'invalid_format':
      // The schema's own words: what form the text must have.
      return `${issue.message}${origin}`
    default:
      return `expected ${expected}, got ${describeValue(value)}${origin}`
  }
}

function lookup(value: unknown, path: Path): unknown {
  let current = value
  for (const part of path) {
    if (Array.isArray(current) && typeof part === 'number') current = current[part]
    else if (isYamlMap(current) && Object.hasOwn(current, part)) current = current[part]
    else return undefined
  }
  return current
}

function schemaAt(root: z.core.$ZodType, path: Path): z.core.$ZodType | undefined {
  let candidates: readonly z.core.$ZodType[] = [root]
  for (const part of path) {
    candidates = candidates.flatMap(flatten).flatMap(schema => {
      const shape = shapeOf(schema)
      if (shape) {
        const member = typeof part === 'string' && Object.hasOwn(shape, part) ? shape[part] : undefined
        return member ? [member] : []
      }
      const element = elementOf(schema)
      return element ? [element] : []
    })
  }
  return candidates[0]
}

function flatten(schema: z.core.$ZodType): z.core.$ZodType[] {
  const type = unwrap(schema)
  const options = optionsOf(type)
  return options ? options.flatMap(flatten) : [type]
}
