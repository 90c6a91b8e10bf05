import { expect, it } from 'vitest'
import { finishedCall, tokens } from './accounting.fixtures.ts'
import { partialUsage } from './partial-usage.ts'

const call = finishedCall('a', { request: { json: {}, text: 'x'.repeat(400), headers: {} } })

it('what a stream used that broke off is estimated from what came of it', () => {
  expect(partialUsage(call, undefined, 'openai', 2500)).toMatchObject({ input: 100, output: 10 })
  expect(partialUsage(call, undefined, 'openai', 0)).toMatchObject({ input: 100, output: 0 })
})

it('and never less than the vendor has said', () => {
  expect(partialUsage(call, tokens(12, 1), 'anthropic', 1200)).toMatchObject({ input: 12, output: 20 })
  expect(partialUsage(call, tokens(12, 300), 'gemini', 100)).toMatchObject({ input: 12, output: 300 })
})
