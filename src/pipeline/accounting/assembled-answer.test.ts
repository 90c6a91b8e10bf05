import { describe, expect, it } from 'vitest'
import { assembledAnswer } from './assembled-answer.ts'

const stream = (...events: readonly (object | string)[]): Buffer =>
  Buffer.from(events.map(event => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join(''))

const chunk = (delta: object, more: object = {}, finish_reason: string | null = null): object => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 5,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason }],
  ...more,
})

describe('a streamed answer put together', () => {
  it('of chat: text, tools called in pieces, the usage at the end', () => {
    const call = (index: number, more: object): object => ({ tool_calls: [{ index, ...more }] })
    const events = [
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'It is ' }),
      chunk({ content: 'sunny' }),
      chunk(call(0, { id: 't1', type: 'function', function: { name: 'look', arguments: '' } })),
      chunk(call(0, { function: { arguments: '{"at":' } })),
      chunk(call(1, { id: 't2', type: 'function', function: { name: 'ask', arguments: '{}' } })),
      chunk(call(0, { function: { arguments: '"sea"}' } })),
      chunk({}, {}, 'tool_calls'),
      { id: 'c1', object: 'chat.completion.chunk', created: 5, model: 'm', choices: [], usage: { total_tokens: 9 } },
      '[DONE]',
    ]
    expect(assembledAnswer(stream(...events))).toEqual({
      id: 'c1',
      object: 'chat.completion',
      created: 5,
      model: 'm',
      usage: { total_tokens: 9 },
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: 'It is sunny',
            tool_calls: [
              { id: 't1', type: 'function', function: { name: 'look', arguments: '{"at":"sea"}' } },
              { id: 't2', type: 'function', function: { name: 'ask', arguments: '{}' } },
            ],
          },
        },
      ],
    })
  })

  it('of messages: blocks in their order, the input of a tool as JSON', () => {
    const events = [
      { type: 'message_start', message: { id: 'm1', role: 'assistant', content: [], usage: { input_tokens: 3 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Let me ' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'look' } },
      { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id: 't', name: 'look', input: {} } },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: '{"at":"' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: 'sea"}' } },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 7 } },
      { type: 'message_stop' },
    ]
    expect(assembledAnswer(stream(...events))).toEqual({
      id: 'm1',
      role: 'assistant',
      stop_reason: 'tool_use',
      usage: { input_tokens: 3, output_tokens: 7 },
      content: [
        { type: 'text', text: 'Let me look' },
        { type: 'tool_use', id: 't', name: 'look', input: { at: 'sea' } },
      ],
    })
  })

  it('of a stream that was cut off, as far as it came', () => {
    const whole = stream(chunk({ role: 'assistant', content: 'half ' }), chunk({ content: 'of it' }))
    for (let length = 0; length <= whole.length; length++) {
      const answer = assembledAnswer(whole.subarray(0, length)) as { choices?: { message: { content: string } }[] }
      expect('half of it').toContain(answer.choices?.[0]?.message.content ?? '')
    }
  })

  it('of a stream of another kind, its events', () => {
    expect(assembledAnswer(stream({ type: 'response.created' }, 'no json', { type: 'response.completed' }))).toEqual({
      events: [{ type: 'response.created' }, { type: 'response.completed' }],
    })
    expect(assembledAnswer(Buffer.alloc(0))).toEqual({ events: [] })
  })

  it('survives indexes that no list has', () => {
    const far = chunk({ tool_calls: [{ index: 4e9, id: 'far' }] })
    expect(JSON.stringify(assembledAnswer(stream(far)))).toContain('far')
    const blocks = [
      { type: 'message_start', message: {} },
      { type: 'content_block_start', index: 4e9, content_block: { type: 'text', text: 'x' } },
      { type: 'content_block_delta', index: -1, delta: { type: 'text_delta', text: 'y' } },
    ]
    expect(() => assembledAnswer(stream(...blocks))).not.toThrow()
  })
})
