import type Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { at, pixel, startWorld, type World, weatherSchema, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

const tool = (name: string): Anthropic.Tool => ({
  name,
  description: `Looks up ${name}`,
  input_schema: { ...weatherSchema, required: [...weatherSchema.required] },
})
const tools = [tool('get_weather'), tool('get_time')]
const ask: Anthropic.MessageParam = {
  role: 'user',
  content: 'please call:get_weather{"city":"Zürich","days":3} and call:get_time{"city":"Rome"}',
}
const bothCalls = [
  ['get_weather', { city: 'Zürich', days: 3 }],
  ['get_time', { city: 'Rome' }],
]

const callsOf = (message: Anthropic.Message): Anthropic.ToolUseBlock[] =>
  message.content.filter(block => block.type === 'tool_use')
const spelt = (message: Anthropic.Message): unknown => callsOf(message).map(({ name, input }) => [name, input])
const textOf = (message: Anthropic.Message): string =>
  message.content.map(block => (block.type === 'text' ? block.text : '')).join('')

describe.each(wires)('anthropic SDK → $wire: tools', wire => {
  const request = { model: wire.chat, max_tokens: 300, tools }

  it.each([false, true])('gets parallel calls and answers them (streamed: %s)', async streamed => {
    const run = (messages: Anthropic.MessageParam[]) =>
      streamed
        ? world.anthropic.messages.stream({ ...request, messages }).finalMessage()
        : world.anthropic.messages.create({ ...request, messages })
    const first = await run([ask])
    expect(first.stop_reason).toBe('tool_use')
    expect(spelt(first)).toEqual(bothCalls)
    const [weather, time] = callsOf(first)
    expect(weather!.id).toMatch(/^[a-zA-Z0-9_-]+$/)
    expect(weather!.id).not.toBe(time!.id)

    const second = await run([
      ask,
      { role: 'assistant', content: first.content },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: weather!.id, content: [{ type: 'text', text: 'sunny' }] },
          { type: 'tool_result', tool_use_id: time!.id, content: 'clock broken', is_error: true },
        ],
      },
    ])
    expect(textOf(second)).toBe('tool said: sunny | clock broken')
    expect(second.stop_reason).toBe('end_turn')
    const { body } = world.sent(wire.wire)
    const results = {
      openai: () => [at(body, 'messages', 2), at(body, 'messages', 3)],
      'azure-openai': () => [at(body, 'messages', 2), at(body, 'messages', 3)],
      anthropic: () => at(body, 'messages', 2, 'content'),
      gemini: () => at(body, 'contents', 2, 'parts'),
    }[wire.wire]()
    const asTools = [
      { role: 'tool', tool_call_id: weather!.id, content: 'sunny' },
      { role: 'tool', tool_call_id: time!.id, content: 'clock broken' },
    ]
    expect(results).toMatchObject(
      {
        openai: asTools,
        'azure-openai': asTools,
        anthropic: [{ tool_use_id: weather!.id }, { tool_use_id: time!.id, is_error: true }],
        gemini: [{ functionResponse: { name: 'get_weather' } }, { functionResponse: { name: 'get_time' } }],
      }[wire.wire],
    )
  })

  it('lets text and an image stand beside a tool result', async () => {
    const first = await world.anthropic.messages.create({ ...request, messages: [ask] })
    const [weather, time] = callsOf(first)
    const message = await world.anthropic.messages.create({
      ...request,
      messages: [
        ask,
        { role: 'assistant', content: first.content },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: weather!.id, content: 'see the picture' },
            {
              type: 'tool_result',
              tool_use_id: time!.id,
              content: [
                { type: 'text', text: 'clock' },
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
              ],
            },
            { type: 'text', text: 'and now' },
          ],
        },
      ],
    })
    expect(textOf(message)).toBe('echo: and now')
    expect(world.sent(wire.wire).text).toContain(pixel)
  })

  it('honours tool_choice', async () => {
    const run = async (extra: Partial<Anthropic.MessageCreateParamsNonStreaming>) => {
      const message = await world.anthropic.messages.create({ ...request, messages: [ask], ...extra })
      world.sent(wire.wire)
      return spelt(message)
    }
    expect(await run({ tool_choice: { type: 'none' } })).toEqual([])
    expect(await run({ tool_choice: { type: 'tool', name: 'get_time' } })).toEqual([bothCalls[1]])
    const unasked = { messages: [{ role: 'user' as const, content: 'hi' }] }
    expect(await run({ ...unasked, tool_choice: { type: 'any' } })).toEqual([['get_weather', expect.any(Object)]])
    // Gemini has no switch for parallel calls.
    if (wire.wire !== 'gemini') {
      expect(await run({ tool_choice: { type: 'auto', disable_parallel_tool_use: true } })).toEqual([bothCalls[0]])
    }
  })

  it('streams arguments as JSON pieces that the SDK puts together', async () => {
    const pieces: string[] = []
    const blocks: Anthropic.ContentBlock[] = []
    await world.anthropic.messages
      .stream({ ...request, messages: [ask] })
      .on('inputJson', piece => void pieces.push(piece))
      .on('contentBlock', block => void blocks.push(block))
      .finalMessage()
    expect(pieces.join('')).toBe('{"city":"Zürich","days":3}{"city":"Rome"}')
    expect(blocks.map(block => block.type)).toEqual(['tool_use', 'tool_use'])
  })

  it('runs the SDK’s tool runner to the end', async () => {
    const seen: unknown[] = []
    const runnable = (name: string, result: string) => ({
      ...tool(name),
      type: 'custom' as const,
      parse: (input: unknown) => input,
      run: (input: unknown) => {
        seen.push([name, input])
        return result
      },
    })
    const final = await world.anthropic.beta.messages.toolRunner({
      model: wire.chat,
      max_tokens: 300,
      messages: [{ role: 'user', content: String(ask.content) }],
      tools: [runnable('get_weather', 'rain'), runnable('get_time', 'noon')],
    })
    expect(seen).toEqual(bothCalls)
    expect(final.content).toMatchObject([{ type: 'text', text: 'tool said: rain | noon' }])
    // The runner first tries a conversation held by the server. This vendor account has none, and other wires never:
    // the SDK reads that from the error's details, whoever wrote them.
    const statuses = world.all().map(({ status }) => status)
    expect(statuses).toEqual(wire.wire === 'anthropic' ? [400, 200, 200] : [200, 200])
  })
})
