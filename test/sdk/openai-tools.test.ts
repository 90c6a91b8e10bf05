import type OpenAI from 'openai'
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { at, startWorld, type WireUnderTest, type World, weatherSchema, wires } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())
beforeEach(() => world.upstream.reset())

const tool = (name: string): OpenAI.ChatCompletionFunctionTool => ({
  type: 'function',
  function: { name, description: `Looks up ${name}`, parameters: { ...weatherSchema } },
})
const tools = [tool('get_weather'), tool('get_time')]
const ask: OpenAI.ChatCompletionUserMessageParam = {
  role: 'user',
  content: 'please call:get_weather{"city":"Zürich","days":3} and call:get_time{"city":"Rome"}',
}

const argumentsOf = (call: OpenAI.ChatCompletionMessageToolCall): unknown =>
  call.type === 'function' ? [call.function.name, JSON.parse(call.function.arguments)] : undefined
const bothCalls = [
  ['get_weather', { city: 'Zürich', days: 3 }],
  ['get_time', { city: 'Rome' }],
]

/** The offered tools as each wire spells them: name and schema. */
function offered({ wire }: WireUnderTest): unknown {
  const { body } = world.sent(wire)
  if (wire === 'anthropic') return (at(body, 'tools') as OpenAI.FunctionDefinition[]).map(({ name }) => name)
  if (wire === 'gemini') {
    return (at(body, 'tools', 0, 'functionDeclarations') as OpenAI.FunctionDefinition[]).map(({ name }) => name)
  }
  return (at(body, 'tools') as OpenAI.ChatCompletionFunctionTool[]).map(entry => entry.function.name)
}

describe.each(wires)('openai SDK → $wire: tools', wire => {
  it('gets parallel calls and answers them; results arrive in the wire’s form', async () => {
    const first = await world.openai.chat.completions.create({ model: wire.chat, messages: [ask], tools })
    const [choice] = first.choices
    expect(choice!.finish_reason).toBe('tool_calls')
    expect(choice!.message.content ?? null).toBe(null)
    const calls = choice!.message.tool_calls!
    expect(calls.map(argumentsOf)).toEqual(bothCalls)
    expect(new Set(calls.map(call => call.id)).size).toBe(2)
    expect(offered(wire)).toEqual(['get_weather', 'get_time'])

    // Out of order on purpose: clients append results as they come in.
    const second = await world.openai.chat.completions.create({
      model: wire.chat,
      tools,
      messages: [
        ask,
        choice!.message,
        { role: 'tool', tool_call_id: calls[1]!.id, content: 'noon' },
        { role: 'tool', tool_call_id: calls[0]!.id, content: 'sunny' },
      ],
    })
    expect(second.choices[0]!.finish_reason).toBe('stop')
    const { body } = world.sent(wire.wire)
    if (wire.wire === 'gemini') {
      expect(second.choices[0]!.message.content).toBe('tool said: sunny | noon')
      const parts = at(body, 'contents', 2, 'parts') as { functionResponse: { name: string } }[]
      expect(parts.map(part => part.functionResponse.name)).toEqual(['get_weather', 'get_time'])
    } else {
      expect(second.choices[0]!.message.content).toMatch(/^tool said: (noon \| sunny|sunny \| noon)$/)
    }
    if (wire.wire === 'anthropic') {
      const results = at(body, 'messages', 2, 'content') as { type: string; tool_use_id: string; content: string }[]
      expect(at(body, 'messages', 2, 'role')).toBe('user')
      expect(results.map(({ type, tool_use_id: id, content }) => [type, id, content]).toSorted()).toEqual(
        [
          ['tool_result', calls[0]!.id, 'sunny'],
          ['tool_result', calls[1]!.id, 'noon'],
        ].toSorted(),
      )
    }
  })

  it('streams calls: ids and names once, arguments whole', async () => {
    const stream = await world.openai.chat.completions.create({
      model: wire.chat,
      messages: [ask],
      tools,
      stream: true,
    })
    const calls: { id?: string; name?: string; args: string }[] = []
    let finish: string | null = null
    for await (const chunk of stream) {
      const [choice] = chunk.choices
      finish = choice?.finish_reason ?? finish
      for (const delta of choice?.delta.tool_calls ?? []) {
        calls[delta.index] ??= { args: '' }
        const call = calls[delta.index]!
        if (delta.id !== undefined) {
          expect(call.id ?? delta.id).toBe(delta.id)
          call.id = delta.id
        }
        if (delta.function?.name) {
          expect(call.name).toBeUndefined()
          call.name = delta.function.name
        }
        call.args += delta.function?.arguments ?? ''
      }
    }
    expect(finish).toBe('tool_calls')
    expect(calls.map(call => [call.name, JSON.parse(call.args)])).toEqual(bothCalls)
    expect(new Set(calls.map(call => call.id)).size).toBe(2)
    const final = await world.openai.chat.completions
      .stream({ model: wire.chat, messages: [ask], tools })
      .finalChatCompletion()
    expect(final.choices[0]!.message.tool_calls!.map(argumentsOf)).toEqual(bothCalls)
  })

  it.each([false, true])('runTools runs functions and comes back with their results (streamed: %s)', async stream => {
    const seen: unknown[] = []
    const runnable = (name: string, result: string) =>
      zodFunction({
        name,
        parameters: z.object({ city: z.string(), days: z.number().int().nullable() }),
        function: args => {
          seen.push([name, args])
          return result
        },
      })
    const request = {
      model: wire.chat,
      messages: [
        {
          role: 'user' as const,
          content: 'call:get_weather{"city":"Oslo","days":2} call:get_time{"city":"Bern","days":null}',
        },
      ],
      tools: [runnable('get_weather', 'snow'), runnable('get_time', 'dawn')],
    }
    const runner = stream
      ? world.openai.chat.completions.runTools({ ...request, stream: true })
      : world.openai.chat.completions.runTools(request)
    expect(await runner.finalContent()).toBe('tool said: snow | dawn')
    expect(seen).toEqual([
      ['get_weather', { city: 'Oslo', days: 2 }],
      ['get_time', { city: 'Bern', days: null }],
    ])
    expect(world.all().map(({ status }) => status)).toEqual([200, 200])
  })

  it('honours tool_choice and parallel_tool_calls', async () => {
    const call = async (extra: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>): Promise<unknown> => {
      const answer = await world.openai.chat.completions.create({ model: wire.chat, messages: [ask], tools, ...extra })
      world.sent(wire.wire)
      return answer.choices[0]!.message.tool_calls?.map(argumentsOf)
    }
    expect(await call({ tool_choice: 'none' })).toBeUndefined()
    expect(await call({ tool_choice: { type: 'function', function: { name: 'get_time' } } })).toEqual([bothCalls[1]])
    const unasked = { messages: [{ role: 'user' as const, content: 'hi' }] }
    expect(await call({ ...unasked, tool_choice: 'required' })).toEqual([['get_weather', expect.any(Object)]])
    expect(await call({ ...unasked, tool_choice: 'auto' })).toBeUndefined()
    // Gemini has no such switch.
    if (wire.wire !== 'gemini') expect(await call({ parallel_tool_calls: false })).toEqual([bothCalls[0]])
  })

  it('takes two calls of one function and keeps their results apart', async () => {
    const twice = { role: 'user', content: 'call:get_weather{"city":"A"} call:get_weather{"city":"B"}' } as const
    const first = await world.openai.chat.completions.create({ model: wire.chat, messages: [twice], tools })
    const { message } = first.choices[0]!
    const [a, b] = message.tool_calls!
    const second = await world.openai.chat.completions.create({
      model: wire.chat,
      tools,
      messages: [
        twice,
        message,
        { role: 'tool', tool_call_id: a!.id, content: [{ type: 'text', text: 'result of A' }] },
        { role: 'tool', tool_call_id: b!.id, content: 'result of B' },
        { role: 'user', content: 'thanks' },
      ],
    })
    expect(second.choices[0]!.message.content).toBe('echo: thanks')
    const { text } = world.sent(wire.wire)
    expect(text.indexOf('result of A')).toBeGreaterThan(0)
    expect(text.indexOf('result of B')).toBeGreaterThan(text.indexOf('result of A'))
    expect(text.indexOf('thanks')).toBeGreaterThan(text.indexOf('result of B'))
  })
})

const answerSchema = z.object({
  city: z.string(),
  rating: z.enum(['good', 'bad']),
  days: z.array(z.object({ high: z.number(), note: z.string().nullable() })),
})

describe.each(wires)('openai SDK → $wire: structured output', wire => {
  const request = {
    model: wire.chat,
    messages: [{ role: 'user' as const, content: 'report' }],
    response_format: zodResponseFormat(answerSchema, 'report'),
  }
  const expected = { city: 'echo', rating: 'good', days: [{ high: 1, note: 'echo' }] }

  it('parses into the schema', async () => {
    const answer = await world.openai.chat.completions.parse(request)
    expect(answer.choices[0]!.message.parsed).toEqual(expected)
    expect(answer.choices[0]!.finish_reason).toBe('stop')
    expect(answer.choices[0]!.message.tool_calls ?? []).toEqual([])
    world.sent(wire.wire)
  })

  it('parses a stream', async () => {
    const final = await world.openai.chat.completions.stream(request).finalChatCompletion()
    expect(final.choices[0]!.message.parsed).toEqual(expected)
    expect(final.choices[0]!.finish_reason).toBe('stop')
  })

  it('takes json_object', async () => {
    const answer = await world.openai.chat.completions.create({
      model: wire.chat,
      messages: [{ role: 'user', content: 'anything as json' }],
      response_format: { type: 'json_object' },
    })
    expect(() => JSON.parse(answer.choices[0]!.message.content!)).not.toThrow()
    world.sent(wire.wire)
  })
})

describe('openai SDK → gemini 3: thought signatures survive a plain client', () => {
  it.each([false, true])('the call goes back with the signature it came with (streamed: %s)', async stream => {
    const request = { model: 'gemini-3', messages: [ask], tools }
    const first = stream
      ? await world.openai.chat.completions.stream(request).finalChatCompletion()
      : await world.openai.chat.completions.create(request)
    // Only what every OpenAI client keeps: id, name and arguments.
    const calls = first.choices[0]!.message.tool_calls!.map(call => {
      const { function: fn, id } = call as OpenAI.ChatCompletionMessageFunctionToolCall
      return { id, type: 'function' as const, function: { name: fn.name, arguments: fn.arguments } }
    })
    const second = await world.openai.chat.completions.create({
      model: 'gemini-3',
      tools,
      messages: [
        ask,
        { role: 'assistant', tool_calls: calls },
        ...calls.map(call => ({ role: 'tool' as const, tool_call_id: call.id, content: call.function.name })),
      ],
    })
    expect(second.choices[0]!.message.content).toBe('tool said: get_weather | get_time')
    const part = at(world.sent('gemini').body, 'contents', 1, 'parts', 0)
    expect(Buffer.from(String(at(part, 'thoughtSignature')), 'base64').toString()).toBe('gemini-signature:get_weather')
  })
})
