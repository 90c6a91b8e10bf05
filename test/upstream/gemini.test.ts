import { type Content, FunctionCallingConfigMode, type GenerateContentResponse, GoogleGenAI, Type } from '@google/genai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startUpstream, type Upstream } from './server.ts'

let upstream: Upstream
let client: GoogleGenAI

beforeAll(async () => {
  upstream = await startUpstream({ apiKey: 'AIza' })
  client = new GoogleGenAI({ apiKey: 'AIza', httpOptions: { baseUrl: upstream.url } })
})
beforeEach(() => upstream.reset())
afterAll(() => upstream.close())

const model = 'gemini-2.5-flash'
const functionDeclarations = [
  {
    name: 'get_weather',
    description: 'weather of a city',
    parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] },
  },
]
const tools = [{ functionDeclarations }]

async function collect(stream: AsyncGenerator<GenerateContentResponse>): Promise<GenerateContentResponse[]> {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

describe('gemini wire through the official SDK', () => {
  it('answers and streams the same text with growing usage', async () => {
    const config = { systemInstruction: 'be brief', temperature: 0.5, maxOutputTokens: 100 }
    const plain = await client.models.generateContent({ model, contents: 'hi there', config })
    expect(plain.text).toBe('echo: hi there')
    expect(plain.usageMetadata).toMatchObject({ promptTokenCount: 4, candidatesTokenCount: 3, totalTokenCount: 7 })
    const chunks = await collect(await client.models.generateContentStream({ model, contents: 'hi there', config }))
    expect(chunks.map(chunk => chunk.text ?? '').join('')).toBe('echo: hi there')
    expect(chunks.map(chunk => chunk.usageMetadata!.candidatesTokenCount)).toEqual([1, 2, 3, 3])
    expect(chunks.at(-1)!.candidates![0]!.finishReason).toBe('STOP')
  })

  it('calls functions in parallel and takes as many responses', async () => {
    const ask: Content = {
      role: 'user',
      parts: [{ text: 'call:get_weather{"city":"Oslo"} call:get_weather{"city":"Rome"}' }],
    }
    const first = await client.models.generateContent({ model, contents: [ask], config: { tools } })
    expect(first.functionCalls!.map(call => call.args)).toEqual([{ city: 'Oslo' }, { city: 'Rome' }])
    const chunks = await collect(
      await client.models.generateContentStream({ model, contents: [ask], config: { tools } }),
    )
    expect(chunks.flatMap(chunk => chunk.functionCalls ?? [])).toHaveLength(2)
    const respond = (count: number) =>
      client.models.generateContent({
        model,
        config: { tools },
        contents: [
          ask,
          first.candidates![0]!.content!,
          {
            role: 'user',
            parts: Array.from({ length: count }, (_, at) => ({
              functionResponse: { name: 'get_weather', response: { content: `r${at}` } },
            })),
          },
        ],
      })
    expect((await respond(2)).text).toBe('tool said: r0 | r1')
    await expect(respond(1)).rejects.toThrow(/number of function response parts is equal/)
  })

  it('needs the thought signature back on Gemini 3', async () => {
    const ask: Content = { role: 'user', parts: [{ text: 'call:get_weather{"city":"Oslo"}' }] }
    const first = await client.models.generateContent({ model: 'gemini-3-pro', contents: [ask], config: { tools } })
    const reply = first.candidates![0]!.content!
    const response: Content = {
      role: 'user',
      parts: [{ functionResponse: { name: 'get_weather', response: { output: 'sun' } } }],
    }
    const send = (content: Content) =>
      client.models.generateContent({ model: 'gemini-3-pro', contents: [ask, content, response], config: { tools } })
    expect((await send(reply)).text).toBe('tool said: sun')
    const bare = { role: 'model', parts: [{ functionCall: reply.parts![0]!.functionCall! }] }
    await expect(send(bare)).rejects.toThrow(/missing a thought_signature/)
  })

  it('thinks in thought parts and fits schemas', async () => {
    const thought = await client.models.generateContent({
      model,
      contents: 'why',
      config: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } },
    })
    expect(thought.candidates![0]!.content!.parts![0]).toMatchObject({ thought: true, text: 'thinking about: why' })
    expect(thought.usageMetadata!.thoughtsTokenCount).toBe(3)
    const shaped = await client.models.generateContent({
      model,
      contents: 'x',
      config: {
        responseMimeType: 'application/json',
        responseSchema: { type: Type.OBJECT, properties: { n: { type: Type.INTEGER } } },
      },
    })
    expect(JSON.parse(shaped.text!)).toEqual({ n: 1 })
  })

  it('embeds one and many, and counts tokens', async () => {
    const many = await client.models.embedContent({
      model: 'gemini-embedding-001',
      contents: ['a', 'b'],
      config: { outputDimensionality: 4 },
    })
    expect(many.embeddings!.map(entry => entry.values!.length)).toEqual([4, 4])
    const one = await fetch(`${upstream.url}/v1beta/models/gemini-embedding-001:embedContent?key=AIza`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ content: { parts: [{ text: 'b' }] }, outputDimensionality: 4 }),
    })
    expect(await one.json()).toEqual({ embedding: { values: many.embeddings![1]!.values } })
    expect((await client.models.countTokens({ model, contents: 'one two' })).totalTokens).toBe(2)
  })

  it.each([
    ['an unknown field', { messages: [] }, /Unknown name "messages"/],
    [
      'an unknown nested field',
      { generationConfig: { max_tokens: 1 } },
      /Unknown name "max_tokens" at 'generation_config'/,
    ],
    [
      'additionalProperties',
      {
        tools: [
          {
            functionDeclarations: [
              {
                name: 'f',
                parameters: { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false },
              },
            ],
          },
        ],
      },
      /Unknown name "additionalProperties"/,
    ],
    [
      'a list of types',
      { generationConfig: { responseMimeType: 'application/json', responseSchema: { type: ['string', 'null'] } } },
      /not repeating/,
    ],
    ['the assistant role', { contents: [{ role: 'assistant', parts: [{ text: 'x' }] }] }, /valid role/],
    ['empty parts', { contents: [{ role: 'user', parts: [] }] }, /must not be empty/],
    [
      'a budget and a level',
      { generationConfig: { thinkingConfig: { thinkingBudget: 1, thinkingLevel: 'low' } } },
      /only one of thinking budget/,
    ],
    [
      'a schema without its mime type',
      { generationConfig: { responseSchema: { type: 'object' } } },
      /response_mime_type/,
    ],
  ])('refuses %s', async (_, change, message) => {
    const response = await fetch(`${upstream.url}/v1beta/models/${model}:generateContent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-goog-api-key': 'AIza' },
      body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'x' }] }], ...change }),
    })
    const body = (await response.json()) as { error: { status: string; message: string } }
    expect(response.status).toBe(400)
    expect(body.error.status).toBe('INVALID_ARGUMENT')
    expect(body.error.message).toMatch(message)
  })

  it('accepts snake_case and reports safety', async () => {
    const response = await fetch(`${upstream.url}/v1beta/models/${model}@filter=completion:generateContent?key=AIza`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ contents: [{ parts: [{ text: 'x' }] }], generation_config: { max_output_tokens: 5 } }),
    })
    expect(await response.json()).toMatchObject({ candidates: [{ finishReason: 'SAFETY' }] })
    const blocked = await client.models.generateContent({ model: `${model}@filter=prompt`, contents: 'x' })
    expect(blocked.promptFeedback!.blockReason).toBe('PROHIBITED_CONTENT')
    expect(blocked.candidates).toBeUndefined()
  })

  it('forces a function of the allowed ones', async () => {
    const answer = await client.models.generateContent({
      model,
      contents: 'x',
      config: {
        tools,
        toolConfig: {
          functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['get_weather'] },
        },
      },
    })
    expect(answer.functionCalls).toMatchObject([{ name: 'get_weather', args: { city: 'echo' } }])
  })
})
