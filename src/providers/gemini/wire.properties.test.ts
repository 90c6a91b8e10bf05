import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../platform/errors/gateway-error.ts'
import type { ChatChunk, ChatRequest } from '../../translate/openai/types.ts'
import type { GeminiPart, GeminiRequest } from '../../translate/openai-gemini/gemini-types.ts'
import type { EventSignals, Operation } from '../wire.ts'
import { decodeStream, sseText, stable, targetFor } from './golden.fixtures.ts'
import { geminiWire } from './wire.ts'

const json = fc.jsonValue({ maxDepth: 3 })
const mostly = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 60, arbitrary }, { weight: 1, arbitrary: json })
const record = (
  model: Record<string, fc.Arbitrary<unknown>>,
  requiredKeys: string[] = [],
): fc.Arbitrary<Record<string, unknown>> => fc.record(model, { requiredKeys })

const url = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom('data:image/png;base64,AAAA', 'gs://b/x.pdf', 'https://e.example/a.png', 'files/1'),
  },
  { weight: 1, arbitrary: fc.constantFrom('data:,%', 'data:', 'x') },
  { weight: 1, arbitrary: fc.string() },
)
const part = record(
  {
    type: mostly(fc.constantFrom('text', 'image_url', 'input_audio', 'file', 'video_url', 'refusal', 'thinking')),
    text: mostly(fc.string()),
    refusal: mostly(fc.string()),
    thinking: mostly(fc.string()),
    signature: mostly(fc.constantFrom('gemini#x', 'y')),
    image_url: mostly(
      fc.oneof(url, record({ url: mostly(url), detail: mostly(fc.constantFrom('low', 'high', 'auto')) })),
    ),
    video_url: mostly(record({ url: mostly(url) })),
    video_metadata: mostly(record({ fps: mostly(fc.nat()) })),
    input_audio: mostly(record({ data: mostly(fc.string()), format: mostly(fc.constantFrom('wav', 'mp3')) })),
    file: mostly(
      record({
        file_data: mostly(url),
        file_id: mostly(url),
        filename: mostly(fc.string()),
        format: mostly(fc.string()),
      }),
    ),
  },
  ['type', 'text', 'image_url', 'video_url', 'input_audio', 'file'],
)
const callId = fc.constantFrom('a', 'b', 'gem_c', 'a__sig_QUJD', 'a__sigt_QUJD', '__sig_', '')
const message = record(
  {
    role: mostly(fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 'function')),
    content: mostly(fc.oneof(fc.string(), fc.array(mostly(part), { maxLength: 3 }), fc.constant(null))),
    tool_call_id: mostly(callId),
    name: mostly(fc.constantFrom('f', '2g')),
    tool_calls: mostly(
      fc.array(
        mostly(
          record({
            id: mostly(callId),
            function: mostly(
              record(
                {
                  name: mostly(fc.constantFrom('f', '2g', '__proto__')),
                  arguments: mostly(fc.constantFrom('', '{}', '{"a":[1]}', 'null', '{"a":')),
                },
                ['name'],
              ),
            ),
            provider_specific_fields: mostly(record({ thought_signature: mostly(fc.string()) })),
          }),
        ),
        { maxLength: 3 },
      ),
    ),
    function_call: mostly(record({ name: mostly(fc.string()), arguments: mostly(fc.constant('{}')) }, ['name'])),
    thinking_blocks: mostly(fc.array(mostly(part), { maxLength: 2 })),
    images: mostly(fc.array(mostly(record({ image_url: mostly(record({ url: mostly(url) })) })), { maxLength: 2 })),
    audio: mostly(record({ transcript: mostly(fc.string()) })),
    provider_specific_fields: mostly(
      record({
        thought_signature: json,
        image_signatures: json,
        server_tool_parts: mostly(fc.array(json, { maxLength: 2 })),
      }),
    ),
  },
  ['role', 'name'],
)
const settings = record({
  temperature: json,
  stop: mostly(fc.array(fc.string(), { maxLength: 7 })),
  n: json,
  logprobs: json,
  logit_bias: json,
  modalities: json,
  audio: mostly(record({ voice: json, format: json })),
  tools: mostly(
    fc.array(
      mostly(
        record({
          type: mostly(fc.constantFrom('function', 'web_search')),
          function: mostly(record({ name: mostly(fc.string({ minLength: 1 })), parameters: json }, ['name'])),
          googleSearch: json,
          functionDeclarations: json,
        }),
      ),
      { maxLength: 3 },
    ),
  ),
  tool_choice: mostly(fc.constantFrom('none', 'auto', 'required', { type: 'function', function: { name: 'f' } })),
  parallel_tool_calls: json,
  functions: json,
  function_call: json,
  response_format: mostly(
    record({
      type: mostly(fc.constantFrom('text', 'json_object', 'json_schema')),
      json_schema: mostly(record({ schema: json })),
    }),
  ),
  reasoning_effort: mostly(fc.constantFrom('none', 'minimal', 'low', 'high', 'max', 'odd')),
  thinking: mostly(record({ type: mostly(fc.constantFrom('enabled', 'disabled', 'adaptive')), budget_tokens: json })),
  service_tier: json,
  web_search_options: json,
  cached_content: json,
  safety_settings: json,
  generationConfig: json,
  extra_body: mostly(record({ google: json, generationConfig: json, x: json })),
})
const model = fc.constantFrom(
  'gemini-2.5-pro',
  'gemini-3-flash-preview',
  'gemma-3-27b-it',
  'gemini-1.5-pro',
  'gemini-flash-latest',
)

/** Runs `work`; anything thrown must come from the catalogue. */
function onlyCatalogued(work: () => void): void {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError)
  }
}

const candidatePart = record({
  text: mostly(fc.string()),
  thought: mostly(fc.boolean()),
  thoughtSignature: mostly(fc.string()),
  functionCall: mostly(record({ name: mostly(fc.string()), id: mostly(fc.string()), args: json })),
  inlineData: mostly(
    record({ mimeType: mostly(fc.constantFrom('image/png', 'audio/L16', 'video/mp4')), data: mostly(fc.string()) }),
  ),
  executableCode: json,
})
const answer = record({
  candidates: mostly(
    fc.array(
      mostly(
        record({
          index: mostly(fc.integer({ min: -1, max: 3 })),
          content: mostly(record({ parts: mostly(fc.array(mostly(candidatePart), { maxLength: 4 })) })),
          finishReason: mostly(fc.constantFrom('STOP', 'MAX_TOKENS', 'SAFETY', 'MALFORMED_FUNCTION_CALL', 'NEW')),
          groundingMetadata: mostly(
            record({
              groundingChunks: mostly(
                fc.array(mostly(record({ web: mostly(record({ uri: mostly(fc.string()) })) })), { maxLength: 2 }),
              ),
              groundingSupports: mostly(
                fc.array(
                  mostly(
                    record({
                      groundingChunkIndices: mostly(fc.array(fc.integer({ min: -1, max: 3 }))),
                      segment: mostly(
                        record({
                          startIndex: mostly(fc.integer()),
                          endIndex: mostly(fc.integer()),
                          partIndex: mostly(fc.integer()),
                        }),
                      ),
                    }),
                  ),
                  { maxLength: 2 },
                ),
              ),
              webSearchQueries: json,
            }),
          ),
          logprobsResult: mostly(record({ chosenCandidates: json, topCandidates: json })),
        }),
      ),
      { maxLength: 3 },
    ),
  ),
  usageMetadata: mostly(record({ promptTokenCount: json, candidatesTokenCount: json, promptTokensDetails: json })),
  promptFeedback: mostly(record({ blockReason: mostly(fc.constant('SAFETY')) })),
  error: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: json }),
  responseId: json,
  modelVersion: json,
})

const plain: ChatRequest = { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true }

describe('whatever comes in', () => {
  it('a request is translated or refused by the catalogue, and never changed', () => {
    fc.assert(
      fc.property(
        fc.array(mostly(message), { minLength: 1, maxLength: 4 }),
        settings,
        model,
        fc.boolean(),
        (messages, rest, name, flag) => {
          const request = { model: 'm', ...rest, messages } as unknown as ChatRequest
          const before = structuredClone(request)
          onlyCatalogued(() => {
            const target = targetFor({ model: name, dropParams: flag, modifyParams: flag })
            const body = JSON.parse(geminiWire.chat(request, target).request.body) as GeminiRequest
            expect(body.contents.length).toBeGreaterThan(0)
            for (const [index, { role, parts }] of body.contents.entries()) {
              expect(parts.length).toBeGreaterThan(0)
              if (index > 0) expect(role).not.toBe(body.contents[index - 1]?.role)
            }
          })
          expect(request).toEqual(before)
        },
      ),
      { numRuns: 1500 },
    )
  })

  it('an answer is decoded or is an upstream failure', () => {
    fc.assert(
      fc.property(fc.oneof(answer, fc.array(answer, { maxLength: 3 }), json), body => {
        onlyCatalogued(() => {
          const response = geminiWire.chat(plain, targetFor()).decode(body)
          expect(response.choices.length).toBeGreaterThan(0)
          for (const { message: said } of response.choices) expect(said.role).toBe('assistant')
        })
      }),
      { numRuns: 1500 },
    )
  })

  it('a stream is decoded or is an upstream failure, and ends each choice once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 6, arbitrary: answer }, { weight: 1, arbitrary: json }), { maxLength: 5 }),
        events => {
          onlyCatalogued(() => {
            const grounded = { ...plain, tools: [{ googleSearch: {} }] } as unknown as ChatRequest
            const chunks = decodeStream(geminiWire.chat(grounded, targetFor()), [Buffer.from(sseText(events))])
            const finished = chunks.flatMap(chunk =>
              chunk.choices.filter(({ finish_reason }) => finish_reason !== null),
            )
            expect(new Set(finished.map(({ index }) => index)).size).toBe(finished.length)
            expect(finished.length).toBeGreaterThan(0)
            expect(chunks.filter(({ usage }) => usage).length).toBeLessThanOrEqual(1)
          })
        },
      ),
      { numRuns: 1500 },
    )
  })

  it('signals and failures are read without throwing', () => {
    const into: EventSignals = {
      usage: undefined,
      failure: undefined,
      contentFiltered: false,
      content: false,
      terminal: false,
      usageOnly: false,
    }
    const text = fc.oneof(
      fc.string(),
      fc.oneof(answer, json).map(value => JSON.stringify(value)),
    )
    fc.assert(
      fc.property(text, fc.integer({ min: 300, max: 600 }), (body, status) => {
        geminiWire.readBody('chat' as Operation, body)
        geminiWire.readEvent('', body, into)
        expect(geminiWire.failure(status, {}, body)).toBeInstanceOf(GatewayError)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a stream cut anywhere', () => {
  it('gives the same chunks as in one piece', () => {
    fc.assert(
      fc.property(
        fc.array(answer, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat({ max: 5000 }), { maxLength: 8 }),
        (events, cuts) => {
          const bytes = Buffer.from(sseText(events))
          const run = (pieces: Buffer[]): ChatChunk[] | string => {
            try {
              return stable(decodeStream(geminiWire.chat(plain, targetFor()), pieces))
            } catch (error) {
              return String(error)
            }
          }
          const at = [...new Set([0, ...cuts.map(cut => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
          const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
          expect(run(pieces)).toEqual(run([bytes]))
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('a conversation through an OpenAI client', () => {
  const base64 = fc.uint8Array({ minLength: 1, maxLength: 60 }).map(bytes => Buffer.from(bytes).toString('base64'))
  const call = fc.record({
    name: fc.constantFrom('get_weather', '2fa', 'a b', 'x'.repeat(80)),
    args: fc.dictionary(
      fc.string({ maxLength: 5 }).filter(key => key !== '__proto__'),
      fc.oneof(fc.string(), fc.integer()),
    ),
    id: fc.option(fc.stringMatching(/^[a-z0-9-]{1,12}$/), { nil: undefined }),
  })

  it('keeps calls, arguments, order and signatures, though only id, name and arguments survive in the client', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(call, { minLength: 1, maxLength: 4, selector: one => one.id ?? {} }),
        base64,
        fc.boolean(),
        (calls, signature, streamed) => {
          const names = [...new Set(calls.map(({ name }) => name))]
          const tools = names.map(name => ({ type: 'function', function: { name } }))
          const target = targetFor({ model: 'gemini-3-pro-preview' })
          const first = geminiWire.chat({ ...plain, tools, stream: streamed }, target)
          const declared = (JSON.parse(first.request.body) as GeminiRequest).tools?.[0]?.functionDeclarations ?? []
          const wireName = (name: string): string => declared[names.indexOf(name)]?.name ?? ''
          const parts: GeminiPart[] = calls.map(({ name, args, id }, index) => ({
            functionCall: { name: wireName(name), args, ...(id === undefined ? {} : { id }) },
            ...(index === 0 ? { thoughtSignature: signature } : {}),
          }))
          const answered = { candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }] }
          const made = streamed
            ? decodeStream(first, [Buffer.from(sseText([answered]))]).flatMap(
                ({ choices }) => choices[0]?.delta.tool_calls ?? [],
              )
            : (first.decode(answered).choices[0]?.message.tool_calls ?? [])
          const kept = made.map(({ id, function: { name, arguments: args } = {} }) => ({
            id: id ?? '',
            type: 'function',
            function: { name: name ?? '', arguments: args ?? '' },
          }))
          for (const { id } of kept) expect(id).toMatch(/^[A-Za-z0-9_-]+$/)

          const second = geminiWire.chat(
            {
              model: 'm',
              tools,
              messages: [
                { role: 'user', content: 'hi' },
                { role: 'assistant', content: null, tool_calls: kept },
                // Clients run tools in parallel and answer in any order.
                ...kept
                  .map(({ id }, index) => ({ role: 'tool' as const, tool_call_id: id, content: `result ${index}` }))
                  .reverse(),
              ],
            },
            target,
          )
          const { contents } = JSON.parse(second.request.body) as GeminiRequest
          expect(contents.map(({ role }) => role)).toEqual(['user', 'model', 'user'])
          expect(contents[1]?.parts).toEqual(JSON.parse(JSON.stringify(parts)))
          expect(
            contents[2]?.parts.map(({ functionResponse }) => [
              functionResponse?.name,
              functionResponse?.id,
              functionResponse?.response,
            ]),
          ).toEqual(calls.map(({ name, id }, index) => [wireName(name), id, { output: `result ${index}` }]))
        },
      ),
      { numRuns: 500 },
    )
  })
})
