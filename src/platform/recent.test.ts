import { expect, it } from 'vitest'
import { Recent } from './recent.ts'

it('keeps what was used last', () => {
  const recent = new Recent<{ n: number }>(2)
  expect([recent.size, recent.get('a'), recent.entries()]).toEqual([0, undefined, []])
  recent.delete('a')
  recent.clear()
  recent.set('a', { n: 1 })
  recent.set('b', { n: 2 })
  expect(recent.get('a')).toEqual({ n: 1 })
  recent.set('c', { n: 3 })
  expect(recent.get('b')).toBeUndefined()
  expect(recent.entries()).toEqual([
    ['c', { n: 3 }],
    ['a', { n: 1 }],
  ])
  for (const [key] of recent.entries()) recent.delete(key)
  expect(recent.size).toBe(0)
})
