import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type GenerateContentParameters, GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChatResponse } from '../../translate/openai/types.ts'
import type { GeminiRequest } from '../../translate/openai-gemini/gemini-types.ts'
import { type Fixture, fixtures } from './golden.fixtures.ts'

/** Google's own SDK as the judge of shapes: what we send is what it would send, what we read is what it reads. */
let server: Server
let sdk: GoogleGenAI
let answer: unknown
const seen: { path: string; body: unknown }[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = ''
    request.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    request.on('end', () => {
      seen.push({ path: request.url ?? '', body: JSON.parse(text) })
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  sdk = new GoogleGenAI({ apiKey: 'test-key', httpOptions: { baseUrl: `http://127.0.0.1:${port}` } })
})

afterAll(() => new Promise(resolve => server.close(resolve)))

type RequestFixture = Fixture & { expect?: { path: string; body: GeminiRequest } }
type ResponseFixture = Fixture & { wire: object; expect?: ChatResponse }

/** Sends a setting the API does not have, on the caller's own orders. */
const outside = ['24-rules-of-the-call.json']

describe('requests', () => {
  it.each(
    fixtures<RequestFixture>('requests').filter(
      ([name, { expect: made }]) => made !== undefined && !outside.includes(name),
    ),
  )('%s survives the SDK unchanged', async (_name, fixture) => {
    answer = { candidates: [] }
    const body = fixture.expect?.body as GeminiRequest
    const { contents, generationConfig, ...rest } = body
    const config = { ...generationConfig, ...rest, automaticFunctionCalling: { disable: true } }
    const parameters = { model: fixture.target?.model ?? 'gemini-2.5-flash', contents, config }
    await sdk.models.generateContent(parameters as unknown as GenerateContentParameters)
    const sent = seen.at(-1)?.body as Record<string, unknown>
    // The SDK adds the settings object even when it is empty, and a role to the instruction.
    const { generationConfig: sentConfig = {}, systemInstruction, ...sentRest } = sent
    const { generationConfig: ownConfig = {}, systemInstruction: ownInstruction, ...ownRest } = body
    expect(sentRest).toEqual(ownRest)
    expect(sentConfig).toEqual(ownConfig)
    expect((systemInstruction as { parts?: unknown } | undefined)?.parts).toEqual(ownInstruction?.parts)
  })
})

describe('answers', () => {
  it.each(
    fixtures<ResponseFixture>('responses').filter(
      ([, { wire, expect: made }]) => made !== undefined && !Array.isArray(wire) && 'candidates' in wire,
    ),
  )('%s is read as the SDK reads it', async (_name, fixture) => {
    answer = fixture.wire
    const read = await sdk.models.generateContent({ model: 'gemini-2.5-flash', contents: 'x' })
    const [choice] = fixture.expect?.choices ?? []
    const first = read.candidates?.find(candidate => (candidate.index ?? 0) === 0)
    const said = first?.content?.parts?.filter(part => part.text !== undefined && !part.thought).map(part => part.text)
    expect(choice?.message.content ?? '').toBe(said?.join('') ?? '')
    const calls = read.functionCalls?.map(call => JSON.stringify(call.args ?? {}))
    expect(choice?.message.tool_calls?.map(call => call.function.arguments)).toEqual(calls)
    expect(fixture.expect?.usage?.prompt_tokens).toBe(read.usageMetadata?.promptTokenCount)
    expect(fixture.expect?.usage?.total_tokens).toBe(read.usageMetadata?.totalTokenCount)
  })
})
