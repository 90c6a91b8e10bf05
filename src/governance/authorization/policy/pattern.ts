/** Whether a name fits: `gpt-4*`, `*-mini`, `a*c`. `*` is any text, of any length; everything else is itself. */
export type NameTest = (name: string) => boolean

/** Without regular expressions: a hostile name costs no more than its length per `*`. */
export function namePattern(pattern: string): NameTest {
  if (pattern === '*') return () => true
  const parts = pattern.split('*')
  if (parts.length === 1) return name => name === pattern
  const first = parts[0] ?? ''
  const last = parts.at(-1) ?? ''
  const inner = parts.slice(1, -1)
  return name => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false
    const end = name.length - last.length
    let at = first.length
    for (const part of inner) {
      const found = name.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}

/** One test for a list: any entry is enough. Entries without `*` are looked up, not compared one by one. */
export function nameList(patterns: readonly string[]): NameTest {
  const exact = new Set(patterns.filter(pattern => !pattern.includes('*')))
  const wild = patterns.filter(pattern => pattern.includes('*')).map(namePattern)
  return name => exact.has(name) || wild.some(test => test(name))
}
