import { describe, expect, it } from 'vitest'
import { nestingDepth } from './json-depth.ts'

describe('nestingDepth', () => {
  it.each([
    ['1', 0],
    ['{}', 1],
    ['{"a":[{"b":1}],"c":[[]]}', 3],
    ['{"a":"[[[{","b\\"[":"\\\\"}', 1],
    ['['.repeat(100_000) + ']'.repeat(100_000), 100_000],
  ])('%#', (json, depth) => {
    expect(nestingDepth(json)).toBe(depth)
  })
})
