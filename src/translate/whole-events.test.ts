import { expect, it } from 'vitest'
import { hasOddEvent } from './whole-events.ts'

it.each([
  ['data: {"a":1}\n\n', false],
  ['data: {"a":1}\n\ndata: {"b":2}\n\n', false],
  ['event: x\ndata: {}\n\n', false],
  ['data: {"a":1}\r\n\r\ndata: {"b":2}\r\n\r\n', false],
  ['data: {"a":"x\\n\\n', true],
  ['data: {"a":"x\n\ndata: {"b":2}\n\n', true],
  ['data: {"a":"x\r\n\r\ndata: {"b":2}\r\n\r\n', true],
  ['data: {"b":2}\n\ndata: {"a":\n\n', true],
  ['data: <html>\n\n', true],
  [': comment\n\n', true],
  ['data: [DONE]\n\n', true],
])('%j: %s', (text, odd) => {
  expect(hasOddEvent(text.endsWith('\n') ? text : `${text}\n\n`)).toBe(odd)
})
