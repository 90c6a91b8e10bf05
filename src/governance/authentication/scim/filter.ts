import { ScimError } from './scim-error.ts'

export type Comparison = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le'
export type FilterValue = string | number | boolean | null

/** RFC 7644 §3.4.2.2, as a tree. Attribute paths are lower case, without schema URNs: `emails.value`. */
export type Filter =
  | { readonly op: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly op: 'not'; readonly inner: Filter }
  | { readonly op: 'present'; readonly path: string }
  | { readonly op: 'compare'; readonly path: string; readonly with: Comparison; readonly value: FilterValue }
  /** `emails[type eq "work"]`: one entry of the list meets all of it. */
  | { readonly op: 'entry'; readonly path: string; readonly inner: Filter }

const maxLength = 2000
const maxTerms = 50

const comparisons: ReadonlySet<string> = new Set(['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'])
/** Words, text in quotes, brackets. */
const tokenPattern = /\s*("(?:[^"\\]|\\.)*"|[()[\]]|[^\s()[\]"]+)/y

/** @throws ScimError `invalidFilter` */
export function parseFilter(text: string): Filter {
  if (text.length > maxLength) throw invalid(`it is longer than ${maxLength} characters`)
  const parser = new Parser(tokens(text))
  const filter = parser.or()
  parser.end()
  return filter
}

function tokens(text: string): readonly string[] {
  const found: string[] = []
  let at = 0
  const trimmed = text.trimEnd()
  while (at < trimmed.length) {
    tokenPattern.lastIndex = at
    const match = tokenPattern.exec(trimmed)
    if (match?.[1] === undefined) throw invalid(`it cannot be read from character ${at + 1} on`)
    found.push(match[1])
    at = tokenPattern.lastIndex
  }
  return found
}

class Parser {
  readonly #tokens: readonly string[]
  #at = 0
  #terms = 0

  constructor(list: readonly string[]) {
    this.#tokens = list
  }

  or(): Filter {
    let left = this.#and()
    while (this.#word('or')) left = { op: 'or', left, right: this.#and() }
    return left
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw invalid(`'${this.#tokens[this.#at]}' was not expected`)
  }

  #and(): Filter {
    let left = this.#term()
    while (this.#word('and')) left = { op: 'and', left, right: this.#term() }
    return left
  }

  #term(): Filter {
    if (++this.#terms > maxTerms) throw invalid(`it has more than ${maxTerms} conditions`)
    if (this.#word('not')) {
      this.#expect('(')
      return { op: 'not', inner: this.#closed(')') }
    }
    if (this.#word('(')) return this.#closed(')')
    const path = attributePath(this.#next('an attribute'))
    if (this.#word('[')) return { op: 'entry', path, inner: this.#closed(']') }
    const operator = this.#next('an operator').toLowerCase()
    if (operator === 'pr') return { op: 'present', path }
    if (!comparisons.has(operator)) throw invalid(`there is no operator '${operator}'`)
    return { op: 'compare', path, with: operator as Comparison, value: literalOf(this.#next('a value')) }
  }

  #closed(bracket: string): Filter {
    const inner = this.or()
    this.#expect(bracket)
    return inner
  }

  #word(word: string): boolean {
    if (this.#tokens[this.#at]?.toLowerCase() !== word) return false
    this.#at++
    return true
  }

  #expect(token: string): void {
    if (!this.#word(token)) throw invalid(`'${token}' is missing`)
  }

  #next(what: string): string {
    const token = this.#tokens[this.#at++]
    if (token === undefined || /^[()[\]]$/.test(token)) throw invalid(`${what} is missing`)
    return token
  }
}

/** `urn:ietf:params:scim:schemas:core:2.0:User:userName` → `username`. @throws ScimError */
export function attributePath(text: string): string {
  const name = text.startsWith('urn:') ? text.slice(text.lastIndexOf(':') + 1) : text
  if (!/^[A-Za-z$][\w$-]*(\.[A-Za-z$][\w$-]*){0,2}$/.test(name))
    throw invalid(`'${text.slice(0, 100)}' is no attribute`)
  return name.toLowerCase()
}

function literalOf(token: string): FilterValue {
  try {
    const value: unknown = JSON.parse(token.startsWith('"') ? token : token.toLowerCase())
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null) {
      return value
    }
  } catch {}
  throw invalid(`${token.slice(0, 100)} is no value; text stands in double quotes`)
}

const invalid = (reason: string): ScimError =>
  new ScimError(400, `The filter is not valid: ${reason}.`, 'invalidFilter')

/** Whether a resource meets a filter. Text is compared without regard to case: every attribute here is `caseExact: false` but ids. */
export function matches(filter: Filter, resource: unknown): boolean {
  switch (filter.op) {
    case 'and':
      return matches(filter.left, resource) && matches(filter.right, resource)
    case 'or':
      return matches(filter.left, resource) || matches(filter.right, resource)
    case 'not':
      return !matches(filter.inner, resource)
    case 'present':
      return valuesAt(resource, filter.path).some(value => value !== null && value !== '')
    case 'entry':
      return valuesAt(resource, filter.path, false).some(entry => matches(filter.inner, entry))
    case 'compare': {
      const values = valuesAt(resource, filter.path)
      if (filter.with === 'ne') return !values.some(value => compares(value, 'eq', filter.value))
      return values.some(value => compares(value, filter.with, filter.value))
    }
  }
}

/**
 * What stands at a path; lists are gone through. Of a list of objects the member `value` is what is compared
 * (RFC 7644 §3.4.2.2), unless the objects themselves are asked for.
 */
export function valuesAt(resource: unknown, path: string, ofEntries = true): readonly unknown[] {
  let found: unknown[] = [resource]
  for (const name of path.split('.')) {
    found = found.flatMap(value => {
      if (typeof value !== 'object' || value === null) return []
      const own = Object.keys(value).find(key => key.toLowerCase() === name)
      const member = own === undefined ? undefined : (value as Record<string, unknown>)[own]
      return member === undefined ? [] : Array.isArray(member) ? member : [member]
    })
  }
  if (!ofEntries) return found
  return found.map(value =>
    typeof value === 'object' && value !== null && 'value' in value ? (value as { value: unknown }).value : value,
  )
}

function compares(value: unknown, operator: Comparison, wanted: FilterValue): boolean {
  if (typeof value === 'string' && typeof wanted === 'string') return comparesText(value, operator, wanted)
  // Entra ID writes booleans as text.
  if (typeof value === 'boolean' && typeof wanted === 'string') return compares(String(value), operator, wanted)
  if (operator === 'eq') return value === wanted
  if (typeof value !== 'number' || typeof wanted !== 'number') return false
  switch (operator) {
    case 'gt':
      return value > wanted
    case 'ge':
      return value >= wanted
    case 'lt':
      return value < wanted
    case 'le':
      return value <= wanted
    default:
      return false
  }
}

function comparesText(value: string, operator: Comparison, wanted: string): boolean {
  const a = value.toLowerCase()
  const b = wanted.toLowerCase()
  switch (operator) {
    case 'eq':
      return a === b
    case 'ne':
      return a !== b
    case 'co':
      return a.includes(b)
    case 'sw':
      return a.startsWith(b)
    case 'ew':
      return a.endsWith(b)
    case 'gt':
      return a > b
    case 'ge':
      return a >= b
    case 'lt':
      return a < b
    case 'le':
      return a <= b
  }
}

/** The value a path must equal for the filter to hold, when the filter says so outright: an index can answer it. */
export function requiredEquality(
  filter: Filter,
  paths: readonly string[],
): { readonly path: string; readonly value: string } | undefined {
  if (filter.op === 'and') return requiredEquality(filter.left, paths) ?? requiredEquality(filter.right, paths)
  if (filter.op !== 'compare' || filter.with !== 'eq' || typeof filter.value !== 'string') return undefined
  return paths.includes(filter.path) ? { path: filter.path, value: filter.value } : undefined
}
