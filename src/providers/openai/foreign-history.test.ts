import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ChatRequest } from '../../translate/openai/types.ts'
import { packToolCallId } from '../../translate/openai-gemini/tool-call-id.ts'
import { azureWire } from '../azure-openai/wire.ts'
import { testTarget } from './target.fixtures.ts'
import { openaiWire } from './wire.ts'

type Json = Record<string, unknown>
type Body = Json & { messages: (Json & { content: unknown; tool_calls?: { id: string }[] })[]; user?: string }

/** What is sent for a request, relayed and translated; both must agree. */
function sent(request: Json, vendor = 'openai', wire = openaiWire): Body {
  const target = testTarget(vendor, 'gpt-4o')
  const text = JSON.stringify(request)
  const translated: Body = JSON.parse(wire.chat(request as unknown as ChatRequest, target).request.body)
  const relayed = wire.forward('chat', { json: request, text, headers: {} }, target)
  if (relayed !== undefined) expect(JSON.parse(relayed.request.body)).toEqual(translated)
  expect(JSON.stringify(request)).toBe(text)
  return translated
}

const user = (content: unknown) => ({ role: 'user', content })
const calls = (...ids: string[]) => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map(id => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })),
})
const result = (id: string, content: unknown) => ({ role: 'tool', tool_call_id: id, content })
const image = (n: number) => ({ type: 'image_url', image_url: { url: `data:image/png;base64,${n}` } })
const text = (value: string) => ({ type: 'text', text: value })

describe.each([
  ['openai', openaiWire],
  ['azure', azureWire],
] as const)('%s', (vendor, wire) => {
  it('moves images of tool results behind all results of the turn', () => {
    const { messages } = sent(
      {
        model: 'm',
        messages: [
          user('look'),
          calls('a', 'b', 'c'),
          result('a', [text('seen'), image(1)]),
          result('b', 'plain'),
          result('c', [image(2), image(3)]),
          user('and now?'),
        ],
      },
      vendor,
      wire,
    )
    expect(messages.slice(2)).toEqual([
      result('a', [text('seen')]),
      result('b', 'plain'),
      result('c', expect.stringMatching(/next user message/)),
      user([
        text('Attached result of tool call a:'),
        image(1),
        text('Attached result of tool call c:'),
        image(2),
        image(3),
      ]),
      user('and now?'),
    ])
  })

  it('moves the images of a conversation that ends with its results', () => {
    const { messages } = sent({ model: 'm', messages: [user('x'), calls('a'), result('a', [image(1)])] }, vendor, wire)
    expect(messages.map(message => message['role'])).toEqual(['user', 'assistant', 'tool', 'user'])
  })

  it('takes the signature out of ids that Gemini gave, in call and result', () => {
    const id = packToolCallId('fc1', () => '', 'c2ln')
    const { messages } = sent({ model: 'm', messages: [user('x'), calls(id), result(id, 'r')] }, vendor, wire)
    expect(messages[1]!.tool_calls![0]!.id).toBe('gem_fc1')
    expect(messages[2]!['tool_call_id']).toBe('gem_fc1')
  })

  it('shortens ids beyond 40 characters, the same way in call and result, and no others', () => {
    const [long, other, fits] = ['x'.repeat(41), 'y'.repeat(41), 'z'.repeat(40)] as [string, string, string]
    const { messages } = sent(
      {
        model: 'm',
        messages: [user('x'), calls(long, other, fits), result(long, '1'), result(other, '2'), result(fits, '3')],
      },
      vendor,
      wire,
    )
    const ids = messages[1]!.tool_calls!.map(call => call.id)
    expect(messages.slice(2).map(message => message['tool_call_id'])).toEqual(ids)
    expect(new Set(ids).size).toBe(3)
    expect(ids[0]).toMatch(/^call_[0-9a-f]{32}$/)
    expect(ids[2]).toBe(fits)
  })

  it('hashes a user longer than 64 characters', () => {
    const long = `user_${'a'.repeat(60)}`
    expect(sent({ model: 'm', messages: [user('x')], user: long }, vendor, wire).user).toBe(
      createHash('sha256').update(long).digest('hex'),
    )
    expect(sent({ model: 'm', messages: [user('x')], user: long.slice(1) }, vendor, wire).user).toBe(long.slice(1))
  })
})

it('leaves all of it to an upstream that is a gateway itself', () => {
  const id = packToolCallId(undefined, () => 'call_1', 'c2ln'.repeat(20))
  const request = {
    model: 'gpt-4o',
    user: 'u'.repeat(90),
    messages: [user('x'), calls(id), result(id, [image(1)])],
  }
  expect(sent(request, 'litellm_proxy')).toEqual(request)
})

it('keeps ids of nine characters for vendors that want them, whatever they were', () => {
  const id = packToolCallId('fc1', () => '', 'c2ln')
  const { messages } = sent({ model: 'm', messages: [user('x'), calls(id), result(id, 'r')] }, 'mistral')
  expect(messages[2]!['tool_call_id']).toMatch(/^[0-9a-f]{9}$/)
  expect(messages[1]!.tool_calls![0]!.id).toBe(messages[2]!['tool_call_id'])
})
