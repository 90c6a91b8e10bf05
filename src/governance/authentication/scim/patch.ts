import { attributePath, type Filter, matches, parseFilter } from './filter.ts'
import { ScimError } from './scim-error.ts'

export type Resource = Readonly<Record<string, unknown>>

const maxOperations = 1000
const operations: ReadonlySet<string> = new Set(['add', 'replace', 'remove'])

interface Target {
  /** Lower case; undefined: the resource itself. */
  readonly attribute: string
  readonly entries: Filter | undefined
  readonly sub: string | undefined
}

/**
 * A PATCH body applied to a resource (RFC 7644 §3.5.2), in the order of its operations; all of them or none. Takes what
 * Entra ID and Okta really send: operations with capital letters, flags as text, values without a path, `{"name.givenName": …}`.
 * @throws ScimError
 */
export function applyPatch(resource: Resource, body: unknown): Resource {
  const listed = isRecord(body) ? (member(body, 'operations') ?? undefined) : undefined
  if (!Array.isArray(listed) || listed.length === 0) {
    throw new ScimError(400, 'A PATCH needs a list of Operations.', 'invalidSyntax')
  }
  if (listed.length > maxOperations) throw new ScimError(413, `A PATCH has at most ${maxOperations} operations.`)
  const result = structuredClone(resource) as Record<string, unknown>
  for (const operation of listed) applyOperation(result, operation)
  return result
}

function applyOperation(resource: Record<string, unknown>, operation: unknown): void {
  if (!isRecord(operation)) throw new ScimError(400, 'An operation must be an object.', 'invalidSyntax')
  const op = typeof operation['op'] === 'string' ? operation['op'].toLowerCase() : ''
  if (!operations.has(op)) throw new ScimError(400, 'op must be add, replace or remove.', 'invalidSyntax')
  const { path, value } = operation
  if (path === undefined || path === null || path === '') {
    if (op === 'remove') throw new ScimError(400, 'A remove needs a path.', 'noTarget')
    if (!isRecord(value)) throw new ScimError(400, 'Without a path the value must be an object.', 'invalidValue')
    for (const [name, one] of Object.entries(value)) applyMember(resource, op, name, one)
    return
  }
  if (typeof path !== 'string') throw new ScimError(400, 'path must be text.', 'invalidPath')
  apply(resource, op, parsePath(path), value)
}

/** A member of a value without path: an attribute, a dotted path, or the URN of a schema extension with members of its own. */
function applyMember(resource: Record<string, unknown>, op: string, name: string, value: unknown): void {
  if (name === 'schemas' || name === 'id' || name === 'meta') return
  if (name.startsWith('urn:') && isRecord(value)) {
    for (const [inner, one] of Object.entries(value)) applyMember(resource, op, inner, one)
    return
  }
  apply(resource, op, parsePath(name), value)
}

/** `members[value eq "1"].display`, `name.givenName`, `urn:…:User:userName`. */
function parsePath(path: string): Target {
  const open = path.indexOf('[')
  if (open < 0) {
    const [attribute = '', sub] = attributePathOf(path).split('.')
    return { attribute, entries: undefined, sub }
  }
  const close = path.lastIndexOf(']')
  const after = path.slice(close + 1)
  if (close < open || (after !== '' && !/^\.[A-Za-z][\w-]*$/.test(after))) throw invalidPath(path)
  return {
    attribute: attributePathOf(path.slice(0, open)),
    entries: parseFilter(path.slice(open + 1, close)),
    sub: after === '' ? undefined : after.slice(1).toLowerCase(),
  }
}

function attributePathOf(path: string): string {
  try {
    return attributePath(path)
  } catch {
    throw invalidPath(path)
  }
}

const invalidPath = (path: string): ScimError =>
  new ScimError(400, `'${path.slice(0, 100)}' is no path to an attribute.`, 'invalidPath')

function apply(resource: Record<string, unknown>, op: string, target: Target, value: unknown): void {
  const { attribute, entries, sub } = target
  if (attribute === 'id' || attribute === 'meta' || attribute === 'schemas') {
    throw new ScimError(400, `${attribute} cannot be changed.`, 'mutability')
  }
  const name = Object.keys(resource).find(key => key.toLowerCase() === attribute) ?? properName(attribute)
  if (entries !== undefined) {
    resource[name] = applyToEntries(resource[name], op, entries, sub, value)
    return
  }
  if (sub !== undefined) {
    const parent = isRecord(resource[name]) ? { ...resource[name] } : {}
    setMember(parent, op, sub, value)
    resource[name] = parent
    return
  }
  if (op === 'remove') resource[name] = removed(resource[name], value)
  else if (op === 'add' && Array.isArray(resource[name])) resource[name] = merged(resource[name], value)
  else if (isRecord(resource[name]) && isRecord(value)) resource[name] = { ...resource[name], ...value }
  else resource[name] = value
}

/** Azure removes members as `{op: remove, path: members, value: [{value: id}]}`: only those, not all. */
function removed(current: unknown, value: unknown): unknown {
  if (!Array.isArray(current) || value === undefined || value === null) return undefined
  const gone = new Set((Array.isArray(value) ? value : [value]).map(idOf))
  return current.filter(entry => !gone.has(idOf(entry)))
}

function merged(current: readonly unknown[], value: unknown): readonly unknown[] {
  const known = new Set(current.map(idOf))
  const more = (Array.isArray(value) ? value : [value]).filter(entry => {
    const id = idOf(entry)
    if (known.has(id)) return false
    known.add(id)
    return true
  })
  return [...current, ...more]
}

const idOf = (entry: unknown): string =>
  isRecord(entry) && typeof entry['value'] === 'string' ? entry['value'] : JSON.stringify(entry ?? null)

function applyToEntries(
  current: unknown,
  op: string,
  filter: Filter,
  sub: string | undefined,
  value: unknown,
): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(current) ? current : []
  const hits = list.filter(entry => matches(filter, entry))
  if (op === 'remove' && sub === undefined) return list.filter(entry => !hits.includes(entry))
  if (hits.length === 0) {
    if (op === 'remove') return list
    // Entra ID adds an address as `emails[type eq "work"].value` before there is one.
    const made: Record<string, unknown> = fromEquality(filter)
    if (sub === undefined) Object.assign(made, isRecord(value) ? value : { value })
    else setMember(made, op, sub, value)
    return [...list, made]
  }
  return list.map(entry => {
    if (!hits.includes(entry) || !isRecord(entry)) return entry
    const changed = { ...entry }
    if (sub === undefined) Object.assign(changed, isRecord(value) ? value : { value })
    else setMember(changed, op, sub, value)
    return changed
  })
}

function setMember(parent: Record<string, unknown>, op: string, sub: string, value: unknown): void {
  const name = Object.keys(parent).find(key => key.toLowerCase() === sub) ?? properName(sub)
  if (op === 'remove') delete parent[name]
  else parent[name] = value
}

function fromEquality(filter: Filter): Record<string, unknown> {
  return filter.op === 'compare' && filter.with === 'eq' && !filter.path.includes('.')
    ? { [properName(filter.path)]: filter.value }
    : {}
}

/** Attributes as the schemas spell them. */
const spelled = [
  'userName',
  'displayName',
  'externalId',
  'givenName',
  'familyName',
  'emails',
  'members',
  'active',
  'name',
  'nickName',
]

const properName = (lower: string): string => spelled.find(name => name.toLowerCase() === lower) ?? lower

const member = (record: Readonly<Record<string, unknown>>, name: string): unknown => {
  const key = Object.keys(record).find(own => own.toLowerCase() === name)
  return key === undefined ? undefined : record[key]
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
