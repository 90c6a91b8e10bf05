import { expect, it } from 'vitest'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import { eventsOfCompletion } from './completion-events.ts'

const choices = [{ text: 'a', index: 0, logprobs: { tokens: ['a'] }, finish_reason: 'stop' }]
const chunk = { id: 'cmpl', object: 'text_completion', created: 1, model: 'm', choices }
const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

it('sends the choices, the usage where it was asked for, and the end', () => {
  expect(eventsOfCompletion({ ...chunk, usage }, false)).toBe(`${event(chunk)}data: [DONE]\n\n`)
  expect(eventsOfCompletion({ ...chunk, usage }, true)).toBe(
    `${event(chunk)}${event({ ...chunk, choices: [], usage })}data: [DONE]\n\n`,
  )
  expect(eventsOfCompletion({ ...chunk, usage: null }, true)).toBe(`${event(chunk)}data: [DONE]\n\n`)
})

it.each([null, {}, 'text'])('refuses %j', body => {
  expect(() => eventsOfCompletion(body, false)).toThrow(UpstreamFailure)
})
