/**
 * Model-name patterns: `*` stands for any run of characters, slashes included. Matched without regular expressions, so
 * that no name a caller sends can make matching slow.
 */
export interface Wildcard {
  readonly pattern: string
  /** The text between the stars; one more than there are stars. */
  readonly literals: readonly string[]
  readonly literalLength: number
}

export function compileWildcard(pattern: string): Wildcard {
  const literals = pattern.split('*')
  return { pattern, literals, literalLength: literals.reduce((sum, literal) => sum + literal.length, 0) }
}

/** Most specific first: the longer pattern, then the one with more literal characters; then config order (stable sort). */
export function bySpecificity(a: Wildcard, b: Wildcard): number {
  return b.pattern.length - a.pattern.length || b.literalLength - a.literalLength
}

/**
 * What each star stands for, or undefined when the name does not match. Inner literals match at their first occurrence.
 * A provider with nothing after the slash is not a match of `provider/*`.
 */
export function matchWildcard({ literals, literalLength, pattern }: Wildcard, name: string): string[] | undefined {
  const head = literals[0] ?? ''
  const tail = literals[literals.length - 1] ?? ''
  if (name.length < literalLength || !name.startsWith(head) || !name.endsWith(tail)) return undefined
  if (name.length === literalLength && pattern.endsWith('/*')) return undefined
  const end = name.length - tail.length
  const captures: string[] = []
  let at = head.length
  for (let i = 1; i < literals.length - 1; i++) {
    const literal = literals[i] ?? ''
    const found = name.indexOf(literal, at)
    if (found < 0 || found + literal.length > end) return undefined
    captures.push(name.slice(at, found))
    at = found + literal.length
  }
  captures.push(name.slice(at, end))
  return captures
}
