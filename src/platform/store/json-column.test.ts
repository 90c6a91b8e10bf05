import { expect, it } from 'vitest'
import { readJsonList, readJsonObject, writeJson } from './json-column.ts'

it('reads what it wrote', () => {
  expect(readJsonObject(writeJson({ a: 1, b: undefined, c: ['x'] }))).toEqual({ a: 1, c: ['x'] })
  expect(readJsonList(writeJson(['a', 'b']))).toEqual(['a', 'b'])
})

it('takes nothing else for an object or a list', () => {
  for (const text of ['', '[]', 'null', '1', '{']) expect(() => readJsonObject(text)).toThrow()
  for (const text of ['', '{}', 'null', '[1]', '["a"']) expect(() => readJsonList(text)).toThrow()
})
