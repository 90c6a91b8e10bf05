import fc from 'fast-check'
import { expect, test } from 'vitest'
import { prefixHash } from './prefix-hash.ts'

const long = 'You are a careful assistant. '.repeat(200)
const chat = (...users: string[]) => ({
  messages: [{ role: 'system', content: long }, ...users.map(content => ({ role: 'user', content }))],
})

test('later turns keep the hash, another conversation or system text changes it', () => {
  const hash = prefixHash(chat('hello'))
  expect(hash).toBeTypeOf('number')
  expect(prefixHash(chat('hello', 'and now?'))).toBe(hash)
  expect(prefixHash(chat('goodbye'))).not.toBe(hash)
  expect(
    prefixHash({
      messages: [
        { role: 'system', content: `${long}!` },
        { role: 'user', content: 'hello' },
      ],
    }),
  ).not.toBe(hash)
})

test('a prompt too short to be cached has none; a conversation that grew long has', () => {
  const first = { role: 'user', content: 'hi' }
  expect(prefixHash({ messages: [first] })).toBeUndefined()
  const grown = prefixHash({
    messages: [first, { role: 'assistant', content: long }, { role: 'user', content: 'next' }],
  })
  expect(grown).toBeTypeOf('number')
  expect(prefixHash({ messages: [first, { role: 'assistant', content: `${long}, more` }] })).toBe(grown)
})

test('tools are part of the prefix', () => {
  const tool = (name: string) => ({ type: 'function', function: { name, description: long } })
  const messages = [{ role: 'user', content: 'hi' }]
  const one = prefixHash({ messages, tools: [tool('a')] })
  expect(one).toBeTypeOf('number')
  expect(prefixHash({ messages, tools: [tool('b')] })).not.toBe(one)
  expect(prefixHash({ messages, tools: [{ name: 'a', description: long, input_schema: {} }] })).toBe(one)
})

test('Anthropic system blocks, parts, and completions prompts count', () => {
  expect(
    prefixHash({
      system: [{ type: 'text', text: long }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }],
    }),
  ).toBeTypeOf('number')
  expect(prefixHash({ prompt: long })).toBeTypeOf('number')
  expect(prefixHash({ prompt: long }, 1e6)).toBeUndefined()
})

test('what arrives need not be a valid request', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), fc.anything(), fc.anything(), (system, messages, tools, prompt) => {
      const hash = prefixHash({ system, messages, tools, prompt }, 0)
      expect(hash === undefined || (Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32)).toBe(true)
    }),
  )
})
