/**
 * Edits top-level members of a JSON object in its text, so that a relayed body keeps every byte that did not have to
 * change (number spelling, key order, whitespace) and a large body is not serialised again.
 *
 * Strings are skipped with native `indexOf`, so the cost follows the number of tokens, not of bytes: a base64 image is
 * one long string. Against `JSON.stringify` of the parsed object (`node bench/json-splice.ts`): 1 KB chat body ≈ 1×,
 * 5 MB with one image ≈ 0.01×, 5 MB of 40,000 messages 0.2–0.7× (the more escaped quotes, the nearer to 1).
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const BRACKET_OPEN = 0x5b
const BRACKET_CLOSE = 0x5d

/** A top-level member. Offsets are UTF-16 indexes into the text. */
export interface MemberSpan {
  readonly key: string
  /** The opening quote of the key. */
  readonly keyStart: number
  readonly valueStart: number
  /** One past the last character of the value. */
  readonly valueEnd: number
}

function skipSpace(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
    at++
  }
}

/** `at` is an opening quote; returns one past the closing one, or -1 when there is none. */
function skipString(text: string, at: number): number {
  let from = at + 1
  for (;;) {
    const quote = text.indexOf('"', from)
    if (quote < 0) return -1
    let slashes = 0
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++
    if ((slashes & 1) === 0) return quote + 1
    from = quote + 1
  }
}

/** `at` is the first character of a value; returns one past its last, or -1 when the text ends before it does. */
export function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at)
  if (first === QUOTE) return skipString(text, at)
  if (first !== BRACE_OPEN && first !== BRACKET_OPEN) return skipScalar(text, at)
  let depth = 0
  let next = at
  while (next < text.length) {
    const code = text.charCodeAt(next)
    if (code === QUOTE) {
      next = skipString(text, next)
      if (next < 0) return -1
      continue
    }
    next++
    if (code === BRACE_OPEN || code === BRACKET_OPEN) depth++
    else if (code === BRACE_CLOSE || code === BRACKET_CLOSE) {
      depth--
      if (depth === 0) return next
    }
  }
  return -1
}

/** A number, true, false or null. */
function skipScalar(text: string, at: number): number {
  let next = at
  while (next < text.length) {
    const code = text.charCodeAt(next)
    if (code === COMMA || code === BRACE_CLOSE || code === BRACKET_CLOSE || code <= 0x20) break
    next++
  }
  return next > at ? next : -1
}

/** Key text between its quotes; the parser is asked only when it holds an escape. */
function keyText(text: string, quote: number, end: number): string {
  const raw = text.slice(quote + 1, end - 1)
  return raw.includes('\\') ? unescapeKey(raw) : raw
}

function unescapeKey(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string
  } catch {
    return raw
  }
}

/**
 * All top-level members in text order, duplicates included; undefined when the text is not one complete JSON object
 * (values are not validated beyond their brackets and quotes).
 */
export function topLevelMembers(text: string): MemberSpan[] | undefined {
  const members: MemberSpan[] = []
  const whole = eachMember(text, (keyStart, keyEnd, valueStart, valueEnd) =>
    members.push({ key: keyText(text, keyStart, keyEnd), keyStart, valueStart, valueEnd }),
  )
  return whole ? members : undefined
}

/**
 * Where the values of a few members lie, without a list of all of them: `spans[2 * i]` and `spans[2 * i + 1]` are start
 * and end of the value of `keys[i]`, -1 when it is absent; of duplicates the last counts, as in JSON.parse.
 * @returns false when the text is not one complete JSON object
 */
export function locateMembers(text: string, keys: readonly string[], spans: Int32Array): boolean {
  spans.fill(-1)
  return eachMember(text, (keyStart, keyEnd, valueStart, valueEnd) => {
    const at = keyAt(text, keyStart, keyEnd, keys)
    if (at < 0) return
    spans[2 * at] = valueStart
    spans[2 * at + 1] = valueEnd
  })
}

type MemberVisitor = (keyStart: number, keyEnd: number, valueStart: number, valueEnd: number) => void

/** Visits the top-level members in text order; false when the text is not one complete JSON object. */
function eachMember(text: string, visit: MemberVisitor): boolean {
  let at = skipSpace(text, 0)
  if (text.charCodeAt(at) !== BRACE_OPEN) return false
  at = skipSpace(text, at + 1)
  if (text.charCodeAt(at) === BRACE_CLOSE) return skipSpace(text, at + 1) === text.length
  for (;;) {
    if (text.charCodeAt(at) !== QUOTE) return false
    const keyStart = at
    const keyEnd = skipString(text, at)
    if (keyEnd < 0) return false
    at = skipSpace(text, keyEnd)
    if (text.charCodeAt(at) !== COLON) return false
    const valueStart = skipSpace(text, at + 1)
    const valueEnd = skipValue(text, valueStart)
    if (valueEnd < 0) return false
    visit(keyStart, keyEnd, valueStart, valueEnd)
    at = skipSpace(text, valueEnd)
    const code = text.charCodeAt(at)
    if (code === BRACE_CLOSE) return skipSpace(text, at + 1) === text.length
    if (code !== COMMA) return false
    at = skipSpace(text, at + 1)
  }
}

/** Index of the key that stands between two quotes, -1: none of them. A key text is cut out only when it holds an escape. */
function keyAt(text: string, quote: number, end: number, keys: readonly string[]): number {
  const length = end - quote - 2
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string
    if (key.length === length && text.startsWith(key, quote + 1)) return i
  }
  for (let i = quote + 1; i < end - 1; i++) {
    if (text.charCodeAt(i) === BACKSLASH) return keys.indexOf(keyText(text, quote, end))
  }
  return -1
}

/**
 * Members named in `keys`, in text order; of duplicates all are given (JSON.parse lets the last win).
 * Empty when the text is not a JSON object.
 */
export function topLevelSpans(text: string, keys: readonly string[]): MemberSpan[] {
  return (topLevelMembers(text) ?? []).filter(member => keys.includes(member.key))
}

/**
 * Replaces, inserts (before the closing brace) and removes top-level members; all other bytes stay as they are.
 * @param text an object text that JSON.parse accepted
 * @param set raw JSON per key; every duplicate of a key is replaced
 * @param remove keys to take out; a key that is also in `set` is set
 */
export function spliceTopLevel(
  text: string,
  set: Readonly<Record<string, string>>,
  remove: readonly string[] = [],
): string {
  const members = topLevelMembers(text)
  if (members === undefined) throw new TypeError('not a JSON object')
  let out = ''
  let from = 0
  let previousEnd = 0
  let anyKept = false
  const found = new Set<string>()
  for (let i = 0; i < members.length; i++) {
    const member = members[i] as MemberSpan
    if (Object.hasOwn(set, member.key)) {
      out += text.slice(from, member.valueStart) + set[member.key]
      from = member.valueEnd
      found.add(member.key)
      anyKept = true
    } else if (remove.length > 0 && remove.includes(member.key)) {
      if (anyKept) {
        // The comma before it goes too.
        out += text.slice(from, previousEnd)
        from = member.valueEnd
      } else {
        // Nothing kept before it: what goes is the comma behind it.
        out += text.slice(from, Math.max(from, member.keyStart))
        from = members[i + 1]?.keyStart ?? member.valueEnd
      }
    } else {
      anyKept = true
    }
    previousEnd = member.valueEnd
  }
  const end = members.length === 0 ? text.indexOf('{') + 1 : Math.max(previousEnd, from)
  out += text.slice(from, end)
  for (const key in set) {
    if (!Object.hasOwn(set, key) || found.has(key)) continue
    out += `${anyKept ? ',' : ''}${JSON.stringify(key)}:${set[key]}`
    anyKept = true
  }
  return out + text.slice(end)
}
