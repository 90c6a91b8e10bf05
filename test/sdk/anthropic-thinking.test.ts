import type Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WireName } from '../upstream/types.ts'
import { at, startWorld, type World, weatherSchema } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

interface Thinker {
  readonly model: string
  readonly wire: WireName
  /** Whether the wire tells the thoughts, or only counts them. */
  readonly told: boolean
  readonly asked: (body: unknown) => unknown
  readonly expected: unknown
}

const effort = (body: unknown): unknown => at(body, 'reasoning_effort')
const thinkers: readonly Thinker[] = [
  { model: 'openai-reasoner', wire: 'openai', told: false, asked: effort, expected: 'medium' },
  { model: 'openai-like-reasoner', wire: 'openai', told: true, asked: effort, expected: 'medium' },
  { model: 'azure-openai-reasoner', wire: 'azure-openai', told: false, asked: effort, expected: 'medium' },
  {
    model: 'anthropic-reasoner',
    wire: 'anthropic',
    told: true,
    asked: body => at(body, 'thinking'),
    expected: { type: 'enabled', budget_tokens: 2048 },
  },
  {
    model: 'gemini-reasoner',
    wire: 'gemini',
    told: true,
    asked: body => at(body, 'generationConfig', 'thinkingConfig'),
    expected: { thinkingBudget: 2048, includeThoughts: true },
  },
]

const tools: Anthropic.Tool[] = [
  { name: 'get_weather', input_schema: { ...weatherSchema, required: [...weatherSchema.required] } },
]
const textOf = (content: readonly { type: string; text?: string }[]): string =>
  content.map(block => (block.type === 'text' ? block.text : '')).join('')

describe.each(thinkers)('anthropic SDK → $model: thinking', ({ model, wire, told, asked, expected }) => {
  const thinking = { type: 'enabled', budget_tokens: 2048 } as const
  const request = { model, max_tokens: 4000, thinking }
  const question: Anthropic.MessageParam = { role: 'user', content: 'why so' }

  it.each([false, true])('thinks before it answers (streamed: %s)', async streamed => {
    const thoughts: string[] = []
    const message = streamed
      ? await world.anthropic.messages
          .stream({ ...request, messages: [question] })
          .on('thinking', piece => void thoughts.push(piece))
          .finalMessage()
      : await world.anthropic.messages.create({ ...request, messages: [question] })
    expect(message.content.map(block => block.type)).toEqual(told ? ['thinking', 'text'] : ['text'])
    expect(textOf(message.content)).toBe('echo: why so')
    if (told) expect(message.content[0]).toMatchObject({ type: 'thinking', thinking: 'thinking about: why so' })
    if (told && streamed) expect(thoughts.join('')).toBe('thinking about: why so')
    // Three words of answer and four of thought.
    expect(message.usage.output_tokens).toBe(7)
    if (wire !== 'anthropic') expect(message.usage.output_tokens_details?.thinking_tokens).toBe(4)
    expect(asked(world.sent(wire).body)).toEqual(expected)
  })

  it.each([false, true])('takes its thinking back in a tool loop (streamed: %s)', async streamed => {
    const ask: Anthropic.MessageParam = { role: 'user', content: 'call:get_weather{"city":"Bonn"}' }
    const run = (messages: Anthropic.MessageParam[]) =>
      streamed
        ? world.anthropic.messages.stream({ ...request, tools, messages }).finalMessage()
        : world.anthropic.messages.create({ ...request, tools, messages })
    const first = await run([ask])
    expect(first.content.map(block => block.type)).toEqual(told ? ['thinking', 'tool_use'] : ['tool_use'])
    expect(first.stop_reason).toBe('tool_use')
    const call = first.content.find(block => block.type === 'tool_use')
    const result: Anthropic.MessageParam = {
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: call!.id, content: 'fog' }],
    }
    const second = await run([ask, { role: 'assistant', content: first.content }, result])
    expect(textOf(second.content)).toBe('tool said: fog')
    const sent = world.sent(wire)
    if (wire === 'anthropic') {
      // Byte for byte: the vendor verifies its signature.
      expect(at(sent.body, 'messages', 1, 'content', 0)).toEqual(first.content[0])
    } else if (model !== 'openai-like-reasoner') {
      expect(sent.text).not.toContain('thinking_blocks')
    }
    const third = await run([
      ask,
      { role: 'assistant', content: first.content },
      result,
      { role: 'assistant', content: second.content },
      { role: 'user', content: 'thanks' },
    ])
    expect(textOf(third.content)).toBe('echo: thanks')
    world.sent(wire)
  })

  it('can be told not to think', async () => {
    const message = await world.anthropic.messages.create({
      model,
      max_tokens: 4000,
      messages: [question],
      thinking: { type: 'disabled' },
    })
    expect(message.content.map(block => block.type)).toEqual(['text'])
    world.sent(wire)
  })
})

describe('anthropic SDK: a conversation that changes vendors', () => {
  const routes = thinkers.flatMap(from => thinkers.filter(to => to !== from).map(to => [from, to] as const))

  it.each(routes)('$0.model → $1.model: the history is accepted', async (from, to) => {
    const ask: Anthropic.MessageParam = { role: 'user', content: 'call:get_weather{"city":"Bonn"}' }
    const request = { max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 2048 } as const, tools }
    const first = await world.anthropic.messages.create({ ...request, model: from.model, messages: [ask] })
    const call = first.content.find(block => block.type === 'tool_use')
    const second = await world.anthropic.messages.create({
      ...request,
      model: from.model,
      messages: [
        ask,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call!.id, content: 'fog' }] },
      ],
    })
    const third = await world.anthropic.messages.create({
      ...request,
      model: to.model,
      messages: [
        ask,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call!.id, content: 'fog' }] },
        { role: 'assistant', content: second.content },
        { role: 'user', content: 'and now' },
      ],
    })
    expect(textOf(third.content)).toBe('echo: and now')
    world.sent(to.wire)
  })
})
