import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buckets, TokenCounts } from './tokens.ts'

function countsOf(text: string, system = ''): Map<number, number> {
  const counts = new TokenCounts()
  counts.addText(text, 0, text.length)
  counts.addSystem(system, 0, system.length)
  return new Map(Array.from(counts.seen.subarray(0, counts.size), bucket => [bucket, counts.counts[bucket] ?? 0]))
}

/** Any UTF-16, halves of pairs included. */
const anyText = fc.uint16Array({ maxLength: 100 }).map(codes => String.fromCharCode(...codes))

const total = (text: string): number => [...countsOf(text).values()].reduce((sum, count) => sum + count, 0)

describe('words', () => {
  it('are the same in upper and lower case, in several alphabets', () => {
    expect(countsOf('HELLO WORLD')).toEqual(countsOf('hello world'))
    expect(countsOf('ПРИВЕТ ЁЖ')).toEqual(countsOf('привет ёж'))
    expect(countsOf('ΑΒΓ')).toEqual(countsOf('αβγ'))
    expect(countsOf('ÀÉÎÕÜ')).toEqual(countsOf('àéîõü'))
  })

  it('are the same however far apart', () => {
    expect(countsOf('  a\n\nb\t')).toEqual(countsOf('a b'))
    expect(countsOf('a\u00a0b\u3000c')).toEqual(countsOf('a b c'))
  })

  it('are counted with their pairs', () => {
    // n words and n − 1 pairs.
    expect(total('one two three four')).toBe(7)
    expect(total('one, two')).toBe(5)
    expect(total('')).toBe(0)
    expect(countsOf('dog bites man')).not.toEqual(countsOf('man bites dog'))
  })

  it('are characters where a script has no spaces', () => {
    expect(total('日本の首都')).toBe(9)
    expect(total('สวัสดี')).toBe(11)
    expect(total('🙂🙂')).toBe(3)
    // Korean has spaces.
    expect(total('한국의 수도는')).toBe(3)
  })

  it('of the system prompt are counted apart', () => {
    const user = countsOf('you are a tutor')
    const system = countsOf('', 'you are a tutor')
    expect([...system.keys()].filter(bucket => user.has(bucket)).length).toBeLessThan(2)
    // Words, pairs and the prompt as a whole.
    expect([...system.values()].reduce((sum, count) => sum + count, 0)).toBe(8)
  })

  it('are forgotten with the next text', () => {
    const counts = new TokenCounts()
    counts.addText('one two', 0, 7)
    counts.clear()
    expect(counts.size).toBe(0)
    expect(counts.counts.every(count => count === 0)).toBe(true)
  })

  it('of any text fall into the buckets', () => {
    fc.assert(
      fc.property(anyText, anyText, (text, system) => {
        expect([...countsOf(text, system)].every(([bucket, count]) => bucket < buckets && count > 0)).toBe(true)
      }),
    )
  })
})
