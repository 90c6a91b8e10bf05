import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SseParser } from '../../translate/sse.ts'
import type { EventSignals } from '../wire.ts'
import { maySignal, readBody, readEvent } from './read-signals.ts'

const blank = (): EventSignals => ({
  usage: undefined,
  failure: undefined,
  contentFiltered: false,
  content: false,
  terminal: false,
  usageOnly: false,
})
const read = (data: string, event = '') => {
  const into: EventSignals = { ...blank(), content: true, terminal: true, usageOnly: true, contentFiltered: true }
  readEvent(event, data, into)
  return into
}

describe('readEvent', () => {
  const delta = (value: unknown, rest = '') =>
    `{"choices":[{"index":0,"delta":${JSON.stringify(value)}${rest}}],"usage":null}`
  it.each([
    ['role only', delta({ role: 'assistant', content: '' }), {}],
    ['text', delta({ content: 'a' }), { content: true }],
    ['tool call', delta({ tool_calls: [{ index: 0 }] }), { content: true }],
    ['no tool calls', delta({ tool_calls: [] }), {}],
    ['reasoning', delta({ reasoning_content: 'a' }), { content: true }],
    ['refusal', delta({ refusal: 'no' }), { content: true }],
    ['audio', delta({ audio: { data: 'x' } }), { content: true }],
    ['legacy text', '{"choices":[{"index":0,"text":"a","finish_reason":null}]}', { content: true }],
    ['finish', delta({}, ',"finish_reason":"stop"'), { content: true, terminal: true }],
    [
      'filtered',
      delta({}, ',"finish_reason": "content_filter"'),
      { content: true, terminal: true, contentFiltered: true },
    ],
    ['empty finish', delta({}, ',"finish_reason":""'), {}],
    ['done', '[DONE]', { terminal: true }],
    ['nothing', '', {}],
    ['Azure prompt filter results', '{"choices":[],"prompt_filter_results":[{}],"usage":null}', {}],
  ])('%s', (_name, data, wanted) => {
    expect(read(data)).toEqual({ ...blank(), ...wanted })
  })

  it('reads usage, alone or beside content', () => {
    const alone = read('{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}')
    expect(alone.usageOnly).toBe(true)
    expect(alone.usage).toMatchObject({ input: 3, output: 2 })
    const beside = read('{"choices":[{"delta":{"content":"a"}}],"usage": {"prompt_tokens":3,"completion_tokens":2}}')
    expect(beside).toMatchObject({ usageOnly: false, content: true, usage: { input: 3 } })
    const tiered = read('{"choices":[],"service_tier":"flex","usage":{"prompt_tokens":3,"completion_tokens":2}}')
    expect(tiered.usage?.serviceTier).toBe('flex')
  })

  it.each([
    ['{"error":{"message":"m","type":"rate_limit_error"}}', '', 'rate_limit'],
    ['{"error":{"message":"m","code":"context_length_exceeded"}}', '', 'context_window_exceeded'],
    ['{"error":"m"}', '', 'internal_server'],
    ['{"choices":[],"x_groq":{"error":"m"}}', '', 'internal_server'],
    ['{"message":"m","code":503}', 'error', 'service_unavailable'],
    ['<html>', '', 'bad_gateway'],
  ])('%s (%s) is a failure: %s', (data, event, kind) => {
    const signals = read(data, event)
    expect(signals.failure?.kind).toBe(kind)
    expect(signals.content).toBe(false)
  })

  it('takes a null error for none', () => {
    expect(read('{"error":null,"choices":[{"delta":{"content":"a"}}]}').failure).toBeUndefined()
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), fc.string(), (data, event) => void read(data, event)))
  })
})

describe('maySignal', () => {
  const folder = new URL('./fixtures/streams/', import.meta.url)
  const signals = (s: EventSignals) => s.usage ?? s.failure ?? (s.terminal || s.contentFiltered || undefined)
  it.each(readdirSync(folder))('misses no signal of %s', file => {
    new SseParser().push(readFileSync(new URL(file, folder)), ({ event, data }) => {
      const bytes = Buffer.from(`${event === '' ? '' : `event: ${event}\n`}data: ${data}\n\n`)
      // Malformed data is noticed while the head is held, and later by its end.
      if (signals(read(data, event)) !== undefined) expect(maySignal(bytes)).toBe(true)
    })
  })

  it('passes plain content by, whatever it talks of', () => {
    const content = JSON.stringify({
      choices: [
        { index: 0, delta: { content: 'the "usage":{} and "error" and "finish_reason":"stop"' }, finish_reason: null },
      ],
      usage: null,
    })
    expect(maySignal(Buffer.from(`data: ${content}\n\n`))).toBe(false)
    expect(maySignal(Buffer.from(`data: ${content.replaceAll(':null', ': null')}\n\n`))).toBe(false)
  })

  it('looks at every event of a run', () => {
    const plain = 'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n'
    expect(maySignal(Buffer.from(`${plain}${plain.replace('"usage":null', '"usage":{}')}`))).toBe(true)
    expect(maySignal(Buffer.from(`${plain}${plain.replace('n":null', 'n": "stop"')}`))).toBe(true)
    expect(maySignal(Buffer.from(`${plain}data: {"choices":[{"del\n\n${plain}`))).toBe(true)
  })
})

describe('readBody', () => {
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, prompt_tokens_details: { cached_tokens: 1 } }
  it('finds the usage at the top, not one inside', () => {
    const text = JSON.stringify({ usage, choices: [{ usage: { prompt_tokens: 99 }, finish_reason: 'content_filter' }] })
    const signals = readBody('chat', text)
    expect(signals.usage).toMatchObject({ input: 3, output: 2, cacheRead: 1 })
    expect(signals.failure).toBeUndefined()
    expect(signals.contentFiltered).toBe(true)
  })

  it.each([
    ['"priority"', 'priority'],
    ['null', undefined],
    ['""', undefined],
    ['{"x":1}', undefined],
  ])('reads the tier %s that served the call', (tier, stated) => {
    const before = readBody('chat', `{"service_tier":${tier},"choices":[],"usage":${JSON.stringify(usage)}}`)
    const behind = readBody('chat', `{"choices":[],"usage":${JSON.stringify(usage)},"service_tier": ${tier} }`)
    expect([before.usage?.serviceTier, behind.usage?.serviceTier]).toEqual([stated, stated])
  })

  it.each([
    ['{"error":{"message":"m","code":429}}', 'rate_limit'],
    ['{"id":"x"}', 'bad_gateway'],
    ['{"message":"out of order"}', 'internal_server'],
    ['<html>', 'bad_gateway'],
    ['', 'bad_gateway'],
    ['{"choices":[', 'bad_gateway'],
  ])('%s is a failure: %s', (text, kind) => {
    expect(readBody('chat', text).failure?.kind).toBe(kind)
  })

  it('reads the usage of embeddings at either end without walking the numbers', () => {
    const data = [{ object: 'embedding', embedding: Array.from({ length: 100_000 }, (_, i) => i / 7), index: 0 }]
    const counts = { prompt_tokens: 8, total_tokens: 8 }
    for (const body of [
      { data, usage: counts },
      { usage: counts, data },
    ])
      expect(readBody('embeddings', JSON.stringify(body))).toMatchObject({ usage: { input: 8 }, failure: undefined })
    const spaced = JSON.stringify({ data, usage: counts }).replace('"usage":', '"usage" : ')
    expect(readBody('embeddings', spaced).usage?.input).toBe(8)
  })

  it('sees embeddings that are an error', () => {
    expect(readBody('embeddings', '{"error":{"message":"m","code":401}}').failure?.kind).toBe('authentication')
    expect(readBody('embeddings', '{"data":[]}')).toMatchObject({ usage: undefined, failure: undefined })
  })

  it('never throws', () => {
    const operation = fc.constantFrom('chat', 'completions', 'embeddings') as fc.Arbitrary<'chat'>
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), operation, (text, op) => void readBody(op, text)))
  })
})
