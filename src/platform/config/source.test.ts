import { describe, expect, it } from 'vitest'
import { Positions, parseYaml } from './source.ts'

const parse = (text: string) => {
  const positions = new Positions()
  const parsed = parseYaml(text, 'f', positions, true)
  const at = (path: (string | number)[], want: 'key' | 'value') => {
    const place = positions.locate(parsed.root, path, want)
    return place && `${place.line}:${place.column}`
  }
  return { ...parsed, at }
}

describe('parseYaml', () => {
  it('anchors, aliases, redefinition, merge order', () => {
    const { root, problems } = parse(
      'a: &x 1\nb: *x\nc: &x 2\nd: *x\nbase: &b {p: 1, q: 1}\nother: &o {q: 2, r: 2}\nm:\n  q: 0\n  <<: [*b, *o]\n"<<": 5\n',
    )
    expect(problems).toEqual([])
    expect(root).toMatchObject({ a: 1, b: 1, c: 2, d: 2, m: { p: 1, q: 0, r: 2 }, '<<': 5 })
  })
  it('places of keys, values, list items and merged keys', () => {
    const { at } = parse('list:\n  - a: 1\n  - b:   2\nbase: &b\n  k: v\nm: {<<: *b}\n')
    expect(at(['list'], 'key')).toBe('1:1')
    expect(at(['list', 1], 'value')).toBe('3:5')
    expect(at(['list', 1, 'b'], 'key')).toBe('3:5')
    expect(at(['list', 1, 'b'], 'value')).toBe('3:10')
    expect(at(['m', 'k'], 'value')).toBe('5:6')
    expect(at(['list', 1, 'missing'], 'value')).toBe('3:5')
  })
  it('refuses __proto__ and maps as keys', () => {
    expect(parse('__proto__: {x: 1}').problems[0]?.message).toMatch(/__proto__/)
    expect(parse('{a: 1}: 2').problems[0]?.message).toMatch(/plain text/)
    expect(parse('a: *unknown').problems[0]?.severity).toBe('error')
  })
})
