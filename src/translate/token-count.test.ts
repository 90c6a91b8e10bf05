import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import samples from './fixtures/token-count-o200k.json' with { type: 'json' }
import { countChatTokens, countMessageTokens, countTokens, mayHoldMedia, promptTokenBounds } from './token-count.ts'

describe('countTokens', () => {
  it.each(Object.entries(samples))('%s is close to what o200k makes of it', (_name, { text, tokens }) => {
    expect(Math.abs(countTokens(text) / tokens - 1)).toBeLessThan(0.16)
  })

  it('is within 6 % of o200k over all English and code samples', () => {
    const { english, prompt, code, json, markdown } = samples
    const some = [english, prompt, code, json, markdown]
    const truth = some.reduce((sum, { tokens }) => sum + tokens, 0)
    const counted = some.reduce((sum, { text }) => sum + countTokens(text), 0)
    expect(Math.abs(counted / truth - 1)).toBeLessThan(0.06)
  })

  it.each([
    ['', 0],
    ['a', 1],
    [' ', 1],
    ['\n\n', 1],
    ['test', 1],
    ['the test', 2],
    ['1234567', 3],
    ['   indented', 2],
    ['{\n', 1],
    ['-'.repeat(40), 1],
    ['👍', 2],
  ])('%j → %d', (text, tokens) => {
    expect(countTokens(text)).toBe(tokens)
  })

  it('never throws, and lies between its bounds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), text => {
        const tokens = countTokens(text)
        const { min, max } = promptTokenBounds(text.length)
        expect(Number.isSafeInteger(tokens)).toBe(true)
        expect(tokens).toBeGreaterThanOrEqual(min)
        expect(tokens).toBeLessThanOrEqual(max)
      }),
    )
  })

  it('counts a long text in windows, and close to what counting it whole gives', () => {
    const part = `${samples.english.text}\n${samples.code.text}\n${samples.german.text}\n`
    const copies = Math.ceil(1_100_000 / part.length)
    const whole = countTokens(part) * copies
    expect(Math.abs(countTokens(part.repeat(copies)) / whole - 1)).toBeLessThan(0.02)
  })

  it('does the same work however much longer the text is', () => {
    // Flat strings: `repeat` makes a rope, and flattening it is not what is measured.
    const flat = (length: number) => Buffer.alloc(length, `${samples.english.text} `).toString('latin1')
    const [short, long] = [flat(2_000_000), flat(40_000_000)]
    const time = (text: string) => {
      const runs = Array.from({ length: 7 }, () => {
        const start = performance.now()
        countTokens(text)
        return performance.now() - start
      })
      return Math.min(...runs)
    }
    time(short)
    expect(time(long)).toBeLessThan(time(short) * 5)
  })
})

describe('promptTokenBounds', () => {
  it('holds for a whole request body', () => {
    const message = fc.record({ role: fc.constantFrom('user', 'assistant', 'system'), content: fc.string() })
    fc.assert(
      fc.property(fc.array(message, { minLength: 1 }), messages => {
        const body = { model: 'm', messages }
        const tokens = countChatTokens(body)
        const { min, max } = promptTokenBounds(JSON.stringify(body).length)
        expect(tokens).toBeGreaterThanOrEqual(min)
        expect(tokens).toBeLessThanOrEqual(max)
      }),
    )
  })

  it('says nothing of bodies with media', () => {
    expect(promptTokenBounds(1_000_000, true)).toEqual({ min: 0, max: Number.POSITIVE_INFINITY })
  })

  it.each([
    ['{"type":"image_url","image_url":{"url":"https://x"}}', true],
    ['{"type":"image","source":{"type":"base64","data":""}}', true],
    ['{"type":"input_audio","input_audio":{}}', true],
    ['{"type":"file","file":{"file_id":"f"}}', true],
    ['{"type":"document","source":{}}', true],
    ['{"inlineData":{"mimeType":"x","data":""}}', true],
    ['{"inline_data":{}}', true],
    ['{"fileData":{}}', true],
    ['{"role":"user","content":"hello"}', false],
  ])('mayHoldMedia(%s) is %s', (body, expected) => {
    expect(mayHoldMedia(body)).toBe(expected)
  })
})

describe('countChatTokens', () => {
  const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })
  const framing = 3 + 1 + 3
  const png = (width: number, height: number) => {
    const head = Buffer.alloc(24)
    head.write('\x89PNG\r\n\x1a\n', 0, 'latin1')
    head.writeUInt32BE(width, 16)
    head.writeUInt32BE(height, 20)
    return head.toString('base64')
  }

  it('adds the framing of messages', () => {
    expect(countChatTokens(user('test'))).toBe(framing + 1)
    expect(countChatTokens({ messages: [{ role: 'user', name: 'ann', content: 'test' }] })).toBe(framing + 3)
    expect(countChatTokens(user([{ type: 'text', text: 'test' }]))).toBe(framing + 1)
  })

  it('counts the same conversation alike in every dialect', () => {
    const openai = countChatTokens({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'test' },
      ],
    })
    expect(countChatTokens({ system: 'Be brief.', messages: [{ role: 'user', content: 'test' }] })).toBe(openai)
    expect(
      countChatTokens({
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        contents: [{ role: 'user', parts: [{ text: 'test' }] }],
      }),
    ).toBe(openai)
  })

  // OpenAI's published rule: 85, and 170 a tile.
  it.each([
    [512, 512, 'high', 255],
    [1024, 1024, 'high', 765],
    [2048, 4096, 'auto', 1105],
    [4096, 8192, undefined, 1105],
    [1024, 1024, 'low', 85],
  ])('measures a %d × %d image (%s): %d tokens', (width, height, detail, tokens) => {
    const url = `data:image/png;base64,${png(width, height)}`
    expect(countChatTokens(user([{ type: 'image_url', image_url: { url, detail } }]))).toBe(framing + tokens)
  })

  it.each<[string, string, number]>([
    ['gif', Buffer.from('GIF89a\x00\x02\x00\x02', 'latin1').toString('base64'), 255],
    ['jpeg', Buffer.from(`ffd8ffe00010${'00'.repeat(14)}ffc00011080200020003`, 'hex').toString('base64'), 255],
    ['webp lossy', webp('VP8 ', 14, '00020002'), 255],
    [
      'webp lossless',
      webp('VP8L', 9, (511 | (511 << 14)).toString(16).padStart(8, '0').match(/../g)?.reverse().join('') ?? ''),
      255,
    ],
    ['webp extended', webp('VP8X', 12, 'ff0100ff0100'), 255],
    ['unreadable', 'AAAA', 765],
  ])('reads the size of a %s', (_format, data, tokens) => {
    const part = { type: 'image', source: { type: 'base64', media_type: 'image/x', data } }
    expect(countChatTokens(user([part]))).toBe(framing + tokens)
  })

  function webp(kind: string, offset: number, fields: string): string {
    const head = Buffer.alloc(32)
    head.write('RIFF', 0, 'latin1')
    head.write('WEBP', 8, 'latin1')
    head.write(kind, 12, 'latin1')
    head.write(fields, 12 + offset, 'hex')
    return head.toString('base64')
  }

  it('never counts base64 as text', () => {
    const data = 'QUJD'.repeat(500_000)
    for (const part of [
      { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data } },
      { inlineData: { mimeType: 'image/png', data } },
    ]) {
      expect(countChatTokens(user([part]))).toBe(framing + 765)
    }
    expect(countChatTokens(user([{ type: 'input_audio', input_audio: { data, format: 'wav' } }]))).toBe(framing + 313)
    expect(countChatTokens(user([{ type: 'file', file: { file_data: data } }]))).toBe(framing + 45_000)
    expect(countChatTokens(user([{ type: 'document', source: { type: 'text', data: 'test' } }]))).toBe(framing + 1)
  })

  it('counts tools, and tool calls and results in both dialects', () => {
    const schema = {
      type: 'object',
      properties: { city: { type: 'string', description: 'the city', enum: ['Paris'] } },
    }
    const plain = countChatTokens(user('test'))
    const tool = { name: 'weather', description: 'get the weather', parameters: schema }
    // 12 + 7, name 1, description 3, object 3, property 3 + 1 + 1 + 2, enum −3 + 3 + 1
    const declared = 12 + 7 + 1 + 3 + 3 + 7 + 1
    expect(countChatTokens({ ...user('test'), tools: [{ type: 'function', function: tool }] })).toBe(plain + declared)
    expect(
      countChatTokens({
        ...user('test'),
        tools: [{ name: tool.name, description: tool.description, input_schema: schema }],
      }),
    ).toBe(plain + declared)
    expect(countChatTokens({ ...user('test'), tools: [{ functionDeclarations: [tool] }] })).toBe(plain + declared)
    const call = { id: '1', type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } }
    const called = countMessageTokens({ role: 'assistant', content: null, tool_calls: [call] })
    expect(called).toBeGreaterThan(8)
    const used = countMessageTokens({
      content: [{ type: 'tool_use', id: '1', name: 'weather', input: { city: 'Paris' } }],
    })
    expect(Math.abs(used - called)).toBeLessThanOrEqual(4)
    const result = { type: 'tool_result', tool_use_id: '1', content: [{ type: 'text', text: 'test' }] }
    expect(countChatTokens(user([result]))).toBe(framing + 1)
  })

  it('counts prompts and inputs of the older and embedding APIs', () => {
    expect(countChatTokens({ prompt: 'test' })).toBe(1)
    expect(countChatTokens({ input: ['test', 'the test'] })).toBe(3)
    expect(countChatTokens({ input: [1, 2, 3] })).toBe(3)
    expect(
      countChatTokens({
        input: [
          [1, 2],
          [3, 4],
        ],
      }),
    ).toBe(4)
  })

  it('goes over to an estimate when there is very much text', () => {
    const text = Buffer.alloc(900_000, `${samples.english.text} `).toString('latin1')
    const one = countTokens(text)
    const many = countChatTokens({ messages: Array.from({ length: 20 }, () => ({ role: 'user', content: text })) })
    expect(Math.abs(many / (20 * one) - 1)).toBeLessThan(0.01)
  })

  it('never throws, whatever the body', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('messages', 'contents', 'system', 'prompt', 'input', 'tools', 'functions'),
          fc.anything(),
        ),
        body => {
          expect(Number.isSafeInteger(countChatTokens(body))).toBe(true)
        },
      ),
    )
    const part = fc.dictionary(
      fc.constantFrom(
        'type',
        'text',
        'image_url',
        'input_audio',
        'file',
        'source',
        'inlineData',
        'content',
        'url',
        'data',
      ),
      fc.anything(),
    )
    fc.assert(
      fc.property(fc.array(part), parts => {
        expect(Number.isSafeInteger(countChatTokens(user(parts)))).toBe(true)
      }),
    )
    let deep: unknown = 'test'
    for (let i = 0; i < 20_000; i++) deep = { type: 'tool_result', content: [deep] }
    expect(countChatTokens(user([deep]))).toBeGreaterThanOrEqual(framing)
  })
})
