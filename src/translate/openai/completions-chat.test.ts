import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import { CompletionStreamEncoder, chatRequestOfCompletion, completionOfChatResponse } from './completions-chat.ts'
import type { ChatChunk, ChatResponse } from './types.ts'

describe('chatRequestOfCompletion', () => {
  it('makes the prompt one user message and keeps the sampling fields', () => {
    const request = { model: 'm', prompt: 'Hi', max_tokens: 5, stop: ['x'], stream: true, logprobs: 2, echo: false }
    expect(chatRequestOfCompletion(request)).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 5,
      stop: ['x'],
      stream: true,
      logprobs: true,
      top_logprobs: 2,
    })
  })

  it('takes a list of one', () => {
    expect(chatRequestOfCompletion({ model: 'm', prompt: ['Hi'] }).messages).toEqual([{ role: 'user', content: 'Hi' }])
  })

  it.each([
    [{ prompt: ['a', 'b'] }, 'prompt'],
    [{ prompt: [1, 2] }, 'prompt'],
    [{ prompt: [[1]] }, 'prompt'],
    [{}, 'prompt'],
    [{ prompt: 'a', suffix: 'b' }, 'suffix'],
    [{ prompt: 'a', best_of: 3 }, 'best_of'],
  ])('refuses %j naming %s', (json, param) => {
    try {
      chatRequestOfCompletion({ model: 'm', ...json })
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError)
      expect((error as GatewayError).param).toBe(param)
    }
  })

  it('leaves out what only a native endpoint knows, where it may', () => {
    const dropped: string[] = []
    const json = { model: 'm', prompt: 'a', suffix: 'b', best_of: 3 }
    const request = chatRequestOfCompletion(json, { dropParams: true, dropped })
    expect(request).toEqual({ model: 'm', messages: [{ role: 'user', content: 'a' }] })
    expect(dropped).toEqual(['suffix', 'best_of'])
  })
})

const answer: ChatResponse = {
  id: 'c1',
  object: 'chat.completion',
  created: 7,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'Hello' },
      finish_reason: 'stop',
      logprobs: {
        content: [
          { token: 'Hel', logprob: -0.1, top_logprobs: [{ token: 'Hel', logprob: -0.1 }] },
          { token: 'lo', logprob: -0.2, top_logprobs: [{ token: 'p', logprob: -3 }] },
        ],
      },
    },
  ],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
}

it('completionOfChatResponse gives text, legacy logprobs and usage', () => {
  expect(completionOfChatResponse(answer, { prompt: 'P:', echo: true })).toEqual({
    id: 'c1',
    object: 'text_completion',
    created: 7,
    model: 'm',
    choices: [
      {
        text: 'P:Hello',
        index: 0,
        finish_reason: 'stop',
        logprobs: {
          tokens: ['Hel', 'lo'],
          token_logprobs: [-0.1, -0.2],
          top_logprobs: [{ Hel: -0.1 }, { p: -3 }],
          text_offset: [2, 5],
        },
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  })
})

describe('CompletionStreamEncoder', () => {
  const chunk = (choices: ChatChunk['choices'], usage?: ChatChunk['usage']): ChatChunk => ({
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 7,
    model: 'm',
    choices,
    ...(usage ? { usage } : {}),
  })
  const text = (content: string) => chunk([{ index: 0, delta: { content }, finish_reason: null }])
  const read = (frame: string) => JSON.parse(frame.slice('data: '.length))

  it('relays text, drops reasoning, echoes once, keeps usage for those who asked', () => {
    const encoder = new CompletionStreamEncoder({ prompt: 'P:', echo: true }, true)
    expect(encoder.push(chunk([{ index: 0, delta: { reasoning_content: 'hm' }, finish_reason: null }]))).toBe('')
    expect(read(encoder.push(text('Hel'))).choices[0].text).toBe('P:Hel')
    expect(read(encoder.push(text('lo'))).choices[0].text).toBe('lo')
    const last = read(encoder.push(chunk([{ index: 0, delta: {}, finish_reason: 'length' }])))
    expect(last.object).toBe('text_completion')
    expect(last.choices[0]).toEqual({ text: '', index: 0, logprobs: null, finish_reason: 'length' })
    expect(read(encoder.push(chunk([], answer.usage))).usage).toEqual(answer.usage)
    expect(encoder.end()).toBe('data: [DONE]\n\n')
  })

  it('leaves usage out otherwise', () => {
    expect(new CompletionStreamEncoder({ prompt: 'P' }, false).push(chunk([], answer.usage))).toBe('')
  })
})
