import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bodies, defaultBodyOptions } from './bodies.ts'
import { decodeBody } from './body-line.ts'
import { cleanBody } from './clean-body.ts'

const clean = (body: unknown, options = {}): unknown =>
  JSON.parse(cleanBody(body, { ...defaultBodyOptions, ...options }))

describe('a stored body', () => {
  it('keeps what was said', () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'Grüße, 日本' }], n: 1, stream: false, stop: null }
    expect(clean(body)).toEqual(body)
  })

  it('has no credentials, by the name of the field or by their look', () => {
    const body = {
      Authorization: 'opaque',
      api_key: 'opaque',
      tools: [{ headers: { 'x-api-key': 'opaque', cookie: 'a=b' }, password: 'hunter2' }],
      content: 'my key is sk-abcdef1234567890 and Bearer abcdefghijklmnop, token eyJhbGciOiJIUzI1.eyJzdWIiOiIx.sig',
      max_tokens: 5,
    }
    const text = cleanBody(body, defaultBodyOptions)
    expect(text).not.toMatch(/opaque|hunter2|a=b|sk-abcdef|abcdefghijklmnop|eyJhbG/)
    expect(JSON.parse(text)).toMatchObject({ max_tokens: 5, content: expect.stringContaining('my key is') })
  })

  it('has no credential that the cut would have split', () => {
    const text = cleanBody(
      { content: `${'x '.repeat(170)}sk-${'a1'.repeat(300)} ${'y '.repeat(2000)}` },
      defaultBodyOptions,
    )
    expect(text).not.toMatch(/sk-a1|a1a1a1/)
  })

  it('has no binary content', () => {
    const picture = Buffer.from(Array.from({ length: 30_000 }, (_, index) => (index * 37) & 255)).toString('base64')
    const body = { url: `data:image/png;base64,${picture}`, input_audio: { data: picture }, short: 'aGVsbG8=' }
    const text = cleanBody(body, defaultBodyOptions)
    expect(text.length).toBeLessThan(400)
    expect(JSON.parse(text)).toEqual({
      url: expect.stringMatching(/^data:image\/png;base64,.{32}… \(40022 characters of base64\)$/),
      input_audio: { data: expect.stringMatching(/^.{32}… \(40000 characters of base64\)$/) },
      short: 'aGVsbG8=',
    })
  })

  it('has long texts cut in the middle', () => {
    const text = (clean({ content: `start ${'. '.repeat(5000)} end` }) as { content: string }).content
    expect(text).toMatch(/^start .{344}\.\.\. \(litellm_truncated skipped 9010 chars\) \.\.\..* {2}end$/)
    expect((clean({ content: 'ab cd ef gh' }, { maxText: 5 }) as { content: string }).content).toBe(
      'a... (litellm_truncated skipped 6 chars) ...f gh',
    )
  })

  it('is cut as a whole when it has too many parts', () => {
    const whole = clean({ input: Array.from({ length: 100_000 }, () => 'text') })
    expect(whole).toMatchObject({ litellm_truncated: true, characters: 700_011 })
  })

  it('survives whatever JSON holds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), body => {
        expect(() => clean(body)).not.toThrow()
      }),
    )
    let deep: unknown = 'end'
    for (let level = 0; level < 5000; level++) deep = [deep]
    expect(() => clean(deep)).not.toThrow()
    const odd = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as object
    expect(cleanBody(odd, defaultBodyOptions)).toBe('{"__proto__":{"polluted":true},"constructor":1}')
    expect(cleanBody(undefined, defaultBodyOptions)).toBe('null')
  })
})

describe('bodies on their way to the journal', () => {
  it('are cleaned one call a turn, later than asked, and bounded in number', async () => {
    const lines: string[] = []
    const bodies = new Bodies(line => lines.push(line))
    for (let index = 0; index < 300; index++) bodies.keep({ id: `r${index}`, startedAt: 5 }, { index }, undefined)
    expect(lines).toEqual([])
    expect(bodies.dropped).toBe(44)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    expect(lines.length).toBeGreaterThan(0)
    expect(lines.length).toBeLessThan(5)
    bodies.flush()
    expect(lines).toHaveLength(256)
    expect(decodeBody(JSON.parse(lines[255]!) as unknown[])).toEqual({
      id: 'r255',
      started_at: 5,
      request: '{"index":255}',
      response: null,
      expires_at: 5 + 30 * 86_400_000,
    })
  })
})
