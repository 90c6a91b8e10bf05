import type OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { WireName } from '../upstream/types.ts'
import { at, startWorld, type World, weatherSchema } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

/** What the field has agreed on beyond OpenAI's own types. */
interface Reasoned {
  readonly reasoning_content?: string | null
  readonly thinking_blocks?: readonly {
    readonly type: string
    readonly thinking: string
    readonly signature?: string
  }[]
}

interface Reasoner {
  readonly model: string
  readonly wire: WireName
  /** Whether the wire tells the thoughts, or only counts them. */
  readonly told: boolean
  /** Where the request asks for thinking. */
  readonly asked: (body: unknown) => unknown
  readonly expected: unknown
  /** Whether the wire's usage says how much of the output was reasoning. */
  readonly counted: boolean
}

const effort = (body: unknown): unknown => at(body, 'reasoning_effort')
const reasoners: readonly Reasoner[] = [
  { model: 'openai-reasoner', wire: 'openai', told: false, asked: effort, expected: 'high', counted: true },
  { model: 'azure-openai-reasoner', wire: 'azure-openai', told: false, asked: effort, expected: 'high', counted: true },
  {
    model: 'anthropic-reasoner',
    wire: 'anthropic',
    told: true,
    asked: body => at(body, 'thinking'),
    expected: { type: 'enabled', budget_tokens: 4096 },
    counted: false,
  },
  {
    model: 'gemini-reasoner',
    wire: 'gemini',
    told: true,
    asked: body => at(body, 'generationConfig', 'thinkingConfig'),
    expected: { thinkingBudget: 4096, includeThoughts: true },
    counted: true,
  },
]

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'why so' }]

describe.each(reasoners)('openai SDK → $model', ({ model, wire, told, asked, expected, counted }) => {
  it('reasons; the thoughts are told where the wire tells them, and counted', async () => {
    const answer = await world.openai.chat.completions.create({
      model,
      messages,
      reasoning_effort: 'high',
      max_completion_tokens: 9000,
    })
    const message = answer.choices[0]!.message as OpenAI.ChatCompletionMessage & Reasoned
    expect(message.content).toBe('echo: why so')
    expect(message.reasoning_content ?? undefined).toBe(told ? 'thinking about: why so' : undefined)
    // Three words of answer, four of thought, wherever the wire counts them.
    expect(answer.usage?.completion_tokens).toBe(7)
    if (counted) expect(answer.usage?.completion_tokens_details?.reasoning_tokens).toBe(4)
    const { body } = world.sent(wire)
    expect(asked(body)).toEqual(expected)
    expect(
      at(body, 'max_completion_tokens') ?? at(body, 'max_tokens') ?? at(body, 'generationConfig', 'maxOutputTokens'),
    ).toBe(9000)
  })

  it('streams the thoughts before the answer', async () => {
    const stream = await world.openai.chat.completions.create({
      model,
      messages,
      reasoning_effort: 'high',
      stream: true,
      stream_options: { include_usage: true },
    })
    let reasoning = ''
    let content = ''
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      const delta = chunk.choices[0]?.delta as (OpenAI.ChatCompletionChunk.Choice.Delta & Reasoned) | undefined
      if (delta?.reasoning_content) {
        expect(content).toBe('')
        reasoning += delta.reasoning_content
      }
      content += delta?.content ?? ''
      usage = chunk.usage ?? usage
    }
    expect([reasoning, content]).toEqual([told ? 'thinking about: why so' : '', 'echo: why so'])
    expect(usage?.completion_tokens).toBe(7)
    if (counted) expect(usage?.completion_tokens_details?.reasoning_tokens).toBe(4)
  })

  it('speaks max_tokens for callers that do', async () => {
    // GPT-5 refuses max_tokens upstream: the wire has to rename it.
    const answer = await world.openai.chat.completions.create({ model, messages, max_tokens: 9000 })
    expect(answer.choices[0]!.message.content).toBe('echo: why so')
    world.sent(wire)
  })
})

describe('openai SDK → thinking that has to go back', () => {
  const tools: OpenAI.ChatCompletionFunctionTool[] = [
    { type: 'function', function: { name: 'get_weather', parameters: { ...weatherSchema } } },
  ]
  const ask = { role: 'user', content: 'call:get_weather{"city":"Bonn"}' } as const

  it.each([false, true])('anthropic verifies the signature in the tool loop (streamed: %s)', async streamed => {
    const request = { model: 'anthropic-reasoner', messages: [ask], tools, reasoning_effort: 'low' as const }
    let message: OpenAI.ChatCompletionMessage & Reasoned
    if (streamed) {
      // As a client collects it: text deltas joined, thinking blocks merged up to the signature.
      const thoughts = { type: 'thinking', thinking: '', signature: '' }
      const runner = world.openai.chat.completions.stream(request)
      runner.on('chunk', chunk => {
        const delta = chunk.choices[0]?.delta as Reasoned | undefined
        for (const block of delta?.thinking_blocks ?? []) {
          thoughts.thinking += block.thinking
          thoughts.signature += block.signature ?? ''
        }
      })
      message = (await runner.finalChatCompletion()).choices[0]!.message
      message = { ...message, thinking_blocks: [thoughts] }
    } else {
      message = (await world.openai.chat.completions.create(request)).choices[0]!.message
    }
    expect(message.thinking_blocks).toMatchObject([
      { type: 'thinking', thinking: `thinking about: ${ask.content}`, signature: expect.stringMatching(/^EqQB/) },
    ])
    const [call] = message.tool_calls!
    const second = await world.openai.chat.completions.create({
      ...request,
      messages: [ask, message, { role: 'tool', tool_call_id: call!.id, content: 'fog' }],
    })
    expect(second.choices[0]!.message.content).toBe('tool said: fog')
    const turn = at(world.sent('anthropic').body, 'messages', 1, 'content') as { type: string }[]
    expect(turn.map(({ type }) => type)).toEqual(['thinking', 'tool_use'])
  })

  it('openai never sees another vendor’s thinking', async () => {
    const { choices } = await world.openai.chat.completions.create({
      model: 'anthropic-reasoner',
      messages,
      reasoning_effort: 'low',
    })
    expect(choices[0]!.message).toHaveProperty('thinking_blocks')
    for (const model of ['openai-chat', 'azure-openai-chat', 'gemini-chat'] as const) {
      const answer = await world.openai.chat.completions.create({
        model,
        messages: [...messages, choices[0]!.message, { role: 'user', content: 'and now' }],
      })
      expect(answer.choices[0]!.message.content).toBe('echo: and now')
      const sent = world.sent(model.replace('-chat', '') as WireName)
      expect(sent.text).not.toMatch(/thinking_blocks|reasoning_content|EqQB/)
    }
  })

  it('a server that speaks OpenAI’s wire tells its thoughts as reasoning_content', async () => {
    const answer = await world.openai.chat.completions.create({
      model: 'openai-like-reasoner',
      messages,
      reasoning_effort: 'high',
    })
    const message = answer.choices[0]!.message as OpenAI.ChatCompletionMessage & Reasoned
    expect(message.content).toBe('echo: why so')
    expect(message.reasoning_content).toBe('thinking about: why so')
    expect(world.sent('openai').headers.authorization).toBe('Bearer key-own-server')
  })
})
