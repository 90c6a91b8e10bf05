import { describe, expect, it } from 'vitest'
import type { Call } from './call.ts'
import { callFeatures } from './features.ts'
import { noOverrides } from './routing/learned/overrides.ts'

function featuresOf(json: object, prefixAffinity = true) {
  const call = { stream: true, routing: noOverrides, snapshot: { limits: { prefixAffinity } } } as unknown as Call
  return callFeatures(call, { json: json as Record<string, unknown>, text: JSON.stringify(json), headers: {} })
}

const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })

describe('callFeatures', () => {
  it('bound the prompt from both sides, and count it on demand', () => {
    for (const words of [1, 50, 5000]) {
      const features = featuresOf(user('some words '.repeat(words)))
      const count = features.countPromptTokens()
      expect(features.promptTokensMin).toBeLessThanOrEqual(count)
      expect(features.promptTokensMax).toBeGreaterThanOrEqual(count)
      expect(features.countPromptTokens()).toBe(count)
    }
  })

  it('see what the request needs', () => {
    const image = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } }]
    const audio = [{ type: 'input_audio', input_audio: { data: 'aGk=', format: 'wav' } }]
    const none = { tools: false, vision: false, jsonSchema: false, audio: false }
    const needsOf = (body: Parameters<typeof featuresOf>[0]) => {
      const { tools, vision, jsonSchema, audio } = featuresOf(body).needs
      return { tools, vision, jsonSchema, audio }
    }
    expect(needsOf(user('hi'))).toEqual(none)
    expect(needsOf({ ...user('hi'), tools: [], response_format: { type: 'json_object' } })).toEqual(none)
    expect(needsOf({ ...user('hi'), tools: [{ type: 'function' }] })).toEqual({ ...none, tools: true })
    expect(needsOf(user(image))).toEqual({ ...none, vision: true })
    expect(needsOf(user([{ type: 'image', source: {} }]))).toEqual({ ...none, vision: true })
    expect(needsOf(user(audio))).toEqual({ ...none, audio: true })
    const schema = { response_format: { type: 'json_schema', json_schema: {} } }
    expect(needsOf({ ...user('hi'), ...schema })).toEqual({ ...none, jsonSchema: true })
  })

  it('take no word of the prompt for a need', () => {
    expect(featuresOf(user('what is "image_url" and "input_audio"?')).needs).toMatchObject({
      vision: false,
      audio: false,
    })
  })

  it('know the longest answer asked for', () => {
    expect(featuresOf({ ...user('hi'), max_tokens: 5 }).maxOutputTokens).toBe(5)
    expect(featuresOf({ ...user('hi'), max_tokens: 5, max_completion_tokens: 7 }).maxOutputTokens).toBe(7)
    expect(featuresOf(user('hi')).maxOutputTokens).toBeUndefined()
  })

  it('hash a long prefix, the same for the same, only where affinity is on', () => {
    const long = (id: string) => ({
      messages: [
        { role: 'system', content: `${id} ${'word '.repeat(3000)}` },
        { role: 'user', content: 'x' },
      ],
    })
    const hash = featuresOf(long('a')).prefixHash
    expect(hash).toBeTypeOf('number')
    expect(featuresOf(long('a')).prefixHash).toBe(hash)
    expect(featuresOf(long('b')).prefixHash).not.toBe(hash)
    expect(featuresOf(user('short')).prefixHash).toBeUndefined()
    expect(featuresOf(long('a'), false).prefixHash).toBeUndefined()
  })
})
