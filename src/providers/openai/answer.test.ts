import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UpstreamFailure } from '../../platform/errors/gateway-error.ts'
import type { ChatChunk } from '../../translate/openai/types.ts'
import { SseParser } from '../../translate/sse.ts'
import { testTarget } from './target.fixtures.ts'
import { openaiWire } from './wire.ts'

interface Expected {
  content?: string | null
  reasoning?: string
  tools?: [id: string, name: string, args: string][]
  finish?: string
  usage?: [number, number, number]
  cached?: number
}
const load = (name: string) => JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8'))
const exchange = (vendor: string) => openaiWire.chat({ model: 'my', messages: [] }, testTarget(vendor, 'm'))
const idOf = (id: string) => (/^call_[0-9a-f]{24}/.test(id) ? 'generated' : id)

describe('responses', () => {
  const rows: {
    name: string
    vendor: string
    body: unknown
    expect?: Expected
    error?: { kind: string; status: number; says: string }
  }[] = load('responses.json')
  it.each(rows)('$name', ({ vendor, body, expect: wanted, error }) => {
    if (error) {
      const read = () => exchange(vendor).decode(body)
      expect(read).toThrow(UpstreamFailure)
      expect(read).toThrow(expect.objectContaining({ kind: error.kind, status: error.status }))
      return expect(read).toThrow(error.says)
    }
    const response = exchange(vendor).decode(body)
    const message = response.choices[0]!.message
    expect({
      content: message.content,
      reasoning: message.reasoning_content,
      tools: message.tool_calls?.map(call => [idOf(call.id), call.function.name, call.function.arguments]),
      finish: response.choices[0]!.finish_reason,
      usage: response.usage && [
        response.usage.prompt_tokens,
        response.usage.completion_tokens,
        response.usage.total_tokens,
      ],
      cached: response.usage?.prompt_tokens_details?.cached_tokens,
    }).toEqual({ reasoning: undefined, tools: undefined, usage: undefined, cached: undefined, ...wanted })
  })

  it('takes the forced JSON tool for the content', () => {
    const target = testTarget('groq', 'm', { capabilities: { responseSchema: false } })
    const request = {
      model: 'my',
      messages: [],
      response_format: { type: 'json_schema' as const, json_schema: { name: 'n' } },
    }
    const call = { id: 'c', type: 'function', function: { name: 'json_tool_call', arguments: '{"values":{"a":1}}' } }
    const response = openaiWire.chat(request, target).decode({
      choices: [
        { index: 0, message: { role: 'assistant', content: null, tool_calls: [call] }, finish_reason: 'tool_calls' },
      ],
    })
    expect(response.choices[0]).toMatchObject({ message: { content: '{"a":1}' }, finish_reason: 'stop' })
    expect(response.choices[0]!.message.tool_calls).toBeUndefined()
    expect(response.id).toMatch(/^chatcmpl-[0-9a-f]+$/)
  })

  it('never fails other than with an UpstreamFailure', () => {
    const choice = fc.record({ message: fc.jsonValue(), finish_reason: fc.jsonValue(), index: fc.jsonValue() })
    const body = fc.oneof(fc.jsonValue(), fc.record({ choices: fc.array(choice), usage: fc.jsonValue() }))
    fc.assert(
      fc.property(body, fc.constantFrom('openai', 'xai', 'mistral', 'openrouter'), (wild, vendor) => {
        try {
          const response = exchange(vendor).decode(wild)
          expect(response.choices.every(c => c.finish_reason !== null)).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(UpstreamFailure)
        }
      }),
      { numRuns: 500 },
    )
  })
})

interface Outcome {
  chunks: ChatChunk[]
  failure: UpstreamFailure | undefined
}

function decode(vendor: string, pieces: Buffer[]): Outcome {
  const decoder = exchange(vendor).stream()
  const parser = new SseParser()
  const chunks: ChatChunk[] = []
  try {
    for (const piece of pieces) parser.push(piece, event => decoder.push(event, chunks))
    parser.end(event => decoder.push(event, chunks))
    decoder.end(chunks)
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error
    return { chunks, failure: error }
  }
  return { chunks, failure: undefined }
}

function summary({ chunks, failure }: Outcome) {
  const tools: [string, string, string][] = []
  const out: Record<string, unknown> = { content: '' }
  for (const chunk of chunks) {
    if (chunk.usage) {
      expect(out['usage']).toBeUndefined()
      out['usage'] = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens, chunk.usage.total_tokens]
    }
    for (const { delta, finish_reason: finish } of chunk.choices) {
      if (delta.content) out['content'] += delta.content
      if (delta.reasoning_content) out['reasoning'] = ((out['reasoning'] as string) ?? '') + delta.reasoning_content
      for (const call of delta.tool_calls ?? []) {
        if (call.id !== undefined) {
          expect(tools).toHaveLength(call.index)
          tools.push([idOf(call.id), call.function!.name!, ''])
        } else expect(call.function).not.toHaveProperty('name')
        tools[call.index]![2] += call.function?.arguments ?? ''
      }
      if (finish !== null) {
        expect(out['finish']).toBeUndefined()
        out['finish'] = finish
      }
    }
  }
  if (tools.length > 0) out['tools'] = tools
  if (failure) out['error'] = { kind: failure.kind, code: failure.code }
  return out
}

describe('streams', () => {
  const expected: Record<string, Expected & { vendor: string }> = load('streams.json')
  const files = readdirSync(new URL('./fixtures/streams/', import.meta.url))
  const bytesOf = (name: string) => readFileSync(new URL(`./fixtures/streams/${name}.sse`, import.meta.url))

  it('all have an expectation', () => {
    expect(files.sort()).toEqual(
      Object.keys(expected)
        .map(name => `${name}.sse`)
        .sort(),
    )
  })

  describe.each(Object.entries(expected))('%s', (name, { vendor, ...wanted }) => {
    const bytes = bytesOf(name)
    it('is read', () => {
      expect(summary(decode(vendor, [bytes]))).toEqual(wanted)
    })
    it('is read the same however its bytes are cut', () => {
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), cuts => {
          const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
          const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
          expect(summary(decode(vendor, pieces))).toEqual(wanted)
        }),
        { numRuns: 60 },
      )
    })
  })

  it('name the role once, first', () => {
    const { chunks } = decode('openai', [bytesOf('tools-parallel')])
    expect(chunks.map(chunk => chunk.choices[0]?.delta.role).filter(Boolean)).toEqual(['assistant'])
    expect(chunks[0]!.choices[0]!.delta.role).toBe('assistant')
  })

  it('never fail other than with an UpstreamFailure', () => {
    const delta = fc.record(
      { content: fc.jsonValue(), tool_calls: fc.jsonValue(), reasoning: fc.jsonValue() },
      { requiredKeys: [] },
    )
    const chunk = fc.record(
      {
        choices: fc.array(fc.record({ delta, finish_reason: fc.jsonValue(), index: fc.jsonValue() })),
        usage: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.array(fc.oneof(chunk, fc.jsonValue())),
        fc.constantFrom('openai', 'xai', 'mistral'),
        (events, vendor) => {
          const text = events.map(event => `data: ${JSON.stringify(event)}\n\n`).join('')
          decode(vendor, [Buffer.from(text)])
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('embeddings', () => {
  const target = testTarget('openai', 'text-embedding-3-small')
  it('are asked for and read', () => {
    const made = openaiWire.embeddings!({ model: 'my', input: ['a'], num_retries: 3 }, target)
    expect(made.request.path).toBe('/v1/embeddings')
    expect(JSON.parse(made.request.body)).toEqual({ model: 'text-embedding-3-small', input: ['a'] })
    expect(made.decode({ data: [{ embedding: [0.5] }], usage: { prompt_tokens: 2 } })).toEqual({
      object: 'list',
      model: 'text-embedding-3-small',
      data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
      usage: { prompt_tokens: 2, total_tokens: 2 },
    })
    expect(() => made.decode({ data: [{}] })).toThrow(UpstreamFailure)
  })
})
