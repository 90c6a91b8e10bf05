import { expect, it } from 'vitest'
import { dropAt, parseDropPath } from './drop-path.ts'

it.each([
  [
    'tools[*].function.strict',
    [{ function: { name: 'a', strict: true } }, { x: 1 }],
    [{ function: { name: 'a' } }, { x: 1 }],
  ],
  ['metadata.user', { user: 'u', run: 1 }, { run: 1 }],
  ['messages[1]', [1, 2, 3], [1, 3]],
  ['messages[1].name', [{ name: 'a' }, { name: 'b' }], [{ name: 'a' }, {}]],
  ['tools[*]', [1, 2], []],
  ['user', 'u', 'u'],
])('%s', (path, value, expected) => {
  const before = JSON.stringify(value)
  expect(dropAt(value, parseDropPath(path).steps)).toEqual(expected)
  expect(JSON.stringify(value)).toBe(before)
})

it('gives the same object back when nothing is there', () => {
  const value = [{ function: { name: 'a' } }]
  for (const path of ['tools[*].function.strict', 'tools[7]', 'tools.name', 'tools[0].a.b'])
    expect(dropAt(value, parseDropPath(path).steps)).toBe(value)
})

it('names the top-level field', () => {
  expect(parseDropPath('tools[*].function.strict').field).toBe('tools')
  expect(parseDropPath('user')).toEqual({ field: 'user', steps: [] })
})
