import { expect, it } from 'vitest'
import { chunksOf } from './replay.ts'

const head = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm' }

it('replays an answer with all that stands beside its text', () => {
  const chunks = chunksOf({
    ...head,
    object: 'chat.completion',
    service_tier: 'flex',
    system_fingerprint: 'fp',
    provider_specific_fields: { container: { id: 'c' } },
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'a',
          tool_calls: [{ id: 't', function: { name: 'f', arguments: '{}' } }],
        },
        finish_reason: 'stop',
        logprobs: { content: [] },
        provider_specific_fields: { native_finish_reason: 'stop_sequence', stop_sequence: 'END' },
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  })
  const stated = { ...head, service_tier: 'flex', system_fingerprint: 'fp' }
  expect(chunks).toEqual([
    {
      ...stated,
      choices: [
        {
          index: 0,
          delta: {
            role: 'assistant',
            content: 'a',
            tool_calls: [{ index: 0, id: 't', function: { name: 'f', arguments: '{}' } }],
          },
          finish_reason: null,
          logprobs: { content: [] },
        },
      ],
    },
    {
      ...stated,
      choices: [
        {
          index: 0,
          delta: {},
          finish_reason: 'stop',
          provider_specific_fields: { native_finish_reason: 'stop_sequence', stop_sequence: 'END' },
        },
      ],
      provider_specific_fields: { container: { id: 'c' } },
    },
    { ...stated, choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } },
  ])
})

it('says nothing of a tier or fingerprint that the answer does not state', () => {
  const answer = { ...head, object: 'chat.completion' as const, choices: [], service_tier: null }
  expect(chunksOf(answer)).toEqual([
    { ...head, choices: [] },
    { ...head, choices: [] },
  ])
})
