import { describe, expect, it } from 'vitest'
import { validateChat, validateCompletion, validateEmbedding } from './validate.ts'

const messages = [{ role: 'user', content: 'hi' }]

describe('what a request must have', () => {
  it.each([
    [validateChat, { messages }],
    [validateChat, { model: 'm', messages: [{ role: 'assistant', content: null }], stream: true, tools: null }],
    [validateChat, { messages: [{ role: 'tool', content: [] }], stream_options: { include_usage: true } }],
    [validateCompletion, { prompt: '' }],
    [validateCompletion, { prompt: [[1, 2]], stream: false }],
    [validateEmbedding, { input: ['a'] }],
  ])('takes %# ', (validate, body) => {
    expect(() => validate(body)).not.toThrow()
  })

  it.each([
    [validateChat, {}, 'missing_field', 'messages'],
    [validateChat, { messages: null }, 'missing_field', 'messages'],
    [validateChat, { messages: {} }, 'invalid_request', 'messages'],
    [validateChat, { messages: [] }, 'invalid_request', 'messages'],
    [validateChat, { messages: ['hi'] }, 'invalid_request', 'messages[0]'],
    [validateChat, { messages: [...messages, null] }, 'invalid_request', 'messages[1]'],
    [validateChat, { messages: [{ content: 'x' }] }, 'missing_field', 'messages[0].role'],
    [validateChat, { messages: [{ role: 'toString' }] }, 'invalid_request', 'messages[0].role'],
    [validateChat, { messages: [{ role: 'user', content: 5 }] }, 'invalid_request', 'messages[0].content'],
    [validateChat, { messages, model: 5 }, 'invalid_request', 'model'],
    [validateChat, { messages, stream: 'yes' }, 'invalid_request', 'stream'],
    [validateChat, { messages, stream_options: [] }, 'invalid_request', 'stream_options'],
    [validateChat, { messages, tools: {} }, 'invalid_request', 'tools'],
    [validateCompletion, {}, 'missing_field', 'prompt'],
    [validateCompletion, { prompt: 5 }, 'invalid_request', 'prompt'],
    [validateEmbedding, {}, 'missing_field', 'input'],
    [validateEmbedding, { input: '' }, 'invalid_request', 'input'],
    [validateEmbedding, { input: {} }, 'invalid_request', 'input'],
    [validateEmbedding, { input: 'a', model: [] }, 'invalid_request', 'model'],
  ])('refuses %# and names the field', (validate, body, code, param) => {
    expect(() => validate(body)).toThrow(expect.objectContaining({ code, param, status: 400 }))
  })
})
